"""Pictures of what was found: on the frames themselves, and on a drawn face that is nobody's."""
