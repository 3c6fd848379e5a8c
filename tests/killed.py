"""Python code of a process that kills itself when it has saved its first checkpoint."""

SAVE_AND_DIE = """
import os, signal, sys
import fercore.runs.session as session
save = session.save_checkpoint
def save_and_die(*arguments):
    save(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)
session.save_checkpoint = save_and_die
"""

# Takes the repr of a config's dictionary.
KILLED_AFTER_ONE_EPOCH = f"""{SAVE_AND_DIE}
from fercore.config import config_from
from fercore.train import train
train(config_from(eval(sys.argv[1])))
"""
