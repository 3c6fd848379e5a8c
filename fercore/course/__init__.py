"""The course: its notebooks executed headless, what they need besides the library, and the doctor."""
