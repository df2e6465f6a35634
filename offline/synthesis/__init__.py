"""Synthetic micro-expressions, in three forms made from the same recipes.

`direct` makes optical flow without a picture, `keyframes` renders the onset, apex and offset of one
expression on the canonical face, `stream` renders whole labelled streams. `action_units`, `recipes` and
`fields` say what moves; `base_face`, `face_shape` and `identities` make the faces.
"""
