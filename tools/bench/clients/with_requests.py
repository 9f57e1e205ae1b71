# The frozen `requests` of MicroPython, fed with views and told the length: its cheapest way. It
# verifies no certificate (so its handshake does less).
import sys
import time

sys.path.insert(0, __file__.rpartition("/")[0])

import common as c
import requests

begun_us = time.ticks_us()
url = "%s://%s:%d%s" % (c.SCHEME, c.ADDRESS, c.PORT, c.TARGET)
response = requests.put(url, data=c.pieces(), headers={"Content-Length": str(c.SIZE)})
response.close()
c.done(response.status_code, begun_us)
