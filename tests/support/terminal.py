"""Runs a command on a terminal of its own.

terminal.py PATTERN KEYS COMMAND ...: types KEYS once the screen shows PATTERN; `hangup` closes the terminal
instead. Prints the screen, then the exit code in a line of its own.
"""

import os
import pty
import re
import sys

pattern, keys, *command = sys.argv[1:]
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(command[0], command)  # noqa: S606 - the test names the command
screen = b""
while True:
    try:
        part = os.read(terminal, 65536)
    except OSError:
        break
    if not part:
        break
    screen += part
    if keys and re.search(pattern.encode(), screen):
        if keys == "hangup":
            # The kernel sends SIGHUP to whoever is in front on the terminal.
            os.close(terminal)
            break
        os.write(terminal, keys.encode())
        keys = ""
_, status = os.waitpid(pid, 0)
sys.stdout.buffer.write(screen + f"\n{os.waitstatus_to_exitcode(status)}\n".encode())
