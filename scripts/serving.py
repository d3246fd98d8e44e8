"""A service of one's own, for scripts that use it: started over an empty data directory, stopped at the end."""

import json
import os
import subprocess
from contextlib import contextmanager

# Seconds in which a service that is asked to stop has let what runs come to its end.
STOP_SECONDS_MAX = 30


@contextmanager
def service(stele, directory, *more):
    """Serves `directory/data`, ingests from `directory/in`; gives its address and its process."""
    env = {name: value for name, value in os.environ.items() if name != "LD_LIBRARY_PATH"}
    command = [stele, "serve", "--data-dir", directory / "data", "--port", "0", "--allow-root", directory / "in", "--json", *more]
    with open(directory / "serve.log", "wb") as log:
        serving = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=env)
        try:
            line = serving.stdout.readline()
            if not line:
                raise SystemExit(f"the service did not start: {(directory / 'serve.log').read_text()}")
            yield json.loads(line)["url"].rstrip("/"), serving
        finally:
            serving.terminate()
            try:
                code = serving.wait(STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                serving.kill()
                raise SystemExit(f"the service did not stop within {STOP_SECONDS_MAX} s of being asked") from None
        if code != 0:
            raise SystemExit(f"the service ended with {code}: {(directory / 'serve.log').read_text()[-2000:]}")
