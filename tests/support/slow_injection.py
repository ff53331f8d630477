"""An injection of the worst kind: ignores SIGTERM, takes its time, and touches the target at the very end.

python slow_injection.py PROXY_API PROXY_NAME TOXIC SECONDS
"""

import json
import signal
import sys
import time
import urllib.request

for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
api, proxy, toxic, seconds = sys.argv[1:]
time.sleep(float(seconds))
body = json.dumps({"name": toxic, "type": "latency", "stream": "downstream", "attributes": {"latency": 150}}).encode()
request = urllib.request.Request(f"{api}/proxies/{proxy}/toxics", body, {"Content-Type": "application/json"})
urllib.request.urlopen(request, timeout=5).read()
