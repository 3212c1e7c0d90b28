"""A story with the client, against the server in SX_SERVER, with the token in SX_TOKEN."""

import os
import sys

from soundextract import Client, Error, JobFailed


def refused(code, call):
    try:
        call()
    except Error as error:
        if error.code != code or not error.message or not error.hint or error.code not in str(error):
            sys.exit(f"got {error!r}, want the code {code}")
        return error
    sys.exit(f"no error with the code {code}")


server, token = os.environ["SX_SERVER"], os.environ["SX_TOKEN"]
sx = Client(server, token)

job = sx.upload("talk.wav", preset="speech", mono=True, title="Ein Vortrag über ÄÖ", labels="a,b", key="the-talk")
again = sx.upload("talk.wav", preset="speech", mono=True, title="Ein Vortrag über ÄÖ", labels="a,b", key="the-talk")
if again["id"] != job["id"]:
    sys.exit("the same key gave another job")
refused("key_reused", lambda: sx.upload("talk.wav", key="the-talk"))

job = sx.wait(job["id"], timeout=60)
sx.download(job["id"], "talk.mp3")
if os.path.exists("talk.mp3.part") or os.path.getsize("talk.mp3") != job["tracks"][0]["size"]:
    sys.exit("the download is not complete")

refusal = refused("not_media", lambda: sx.upload("notes.txt"))
if refusal.status != 415:
    sys.exit(f"got the status {refusal.status}")
refused("not_found", lambda: sx.job("none/../none"))
refused("unauthenticated", lambda: Client(server, "sxp_" + "a" * 48).upload("talk.wav"))

try:
    sx.wait(os.environ["FAILED_JOB"])
    sys.exit("no error of the failed job")
except JobFailed as error:
    if error.code != "no_audio" or error.hint != "check the recording" or error.job["state"] != "failed":
        sys.exit(f"got {error!r}")
print(job["id"])
