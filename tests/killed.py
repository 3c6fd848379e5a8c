"""Python code of a process that kills itself when it has saved its first checkpoint."""

SAVE_AND_DIE = """
import os, signal, sys
from fercore.runs.session import Session
save = Session.save
def save_and_die(*arguments):
    save(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)
Session.save = save_and_die
"""

# Takes the repr of a config's dictionary.
KILLED_AFTER_ONE_EPOCH = f"""{SAVE_AND_DIE}
from fercore.config import config_from
from fercore.train import train
train(config_from(eval(sys.argv[1])))
"""
