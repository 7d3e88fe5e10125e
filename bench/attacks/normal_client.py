"""How does a service fare for a normal client? A process of its own, so that nothing else delays what it measures.

    normal_client.py PORT SECONDS      (prints one JSON object)

Starts 20 requests a second at fixed times, however long the ones before take, and each on a connection of its own. A
request has failed when its whole page is not there within 10 s.
"""

import asyncio
import collections
import json
import sys
import time

RATE = 20
TIMEOUT = 10
REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
END_OF_PAGE = b"</p>\n"


async def page(port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(REQUEST)
        return await reader.read()
    finally:
        writer.close()


def failure(response):
    """What is wrong with a response; nothing when it is as it should be."""
    status = response[9:12].decode(errors="replace")
    if not response:
        return "closed"
    if status != "200":
        return status
    return None if response.endswith(END_OF_PAGE) else "cut"


async def request(port, failures, milliseconds):
    began = time.monotonic()
    try:
        reason = failure(await asyncio.wait_for(page(port), TIMEOUT))
    except asyncio.TimeoutError:
        reason = "timeout"
    except ConnectionRefusedError:
        reason = "refused"
    except OSError:
        reason = "reset"
    if reason:
        failures[reason] += 1
    else:
        milliseconds.append(1000 * (time.monotonic() - began))


async def measure(port, seconds):
    failures, milliseconds, tasks = collections.Counter(), [], []
    began = time.monotonic()
    for number in range(int(RATE * seconds)):
        await asyncio.sleep(max(0.0, began + number / RATE - time.monotonic()))
        tasks.append(asyncio.create_task(request(port, failures, milliseconds)))
    await asyncio.gather(*tasks)
    return {"requests": len(tasks), "failures": failures, "milliseconds": milliseconds}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measure(int(sys.argv[1]), float(sys.argv[2])))))
