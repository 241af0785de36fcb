# SPDX-License-Identifier: Apache-2.0
"""BIND on a guest: one dynamic zone that takes updates signed with a TSIG key."""
from waiting import wait_for

KEY_NAME = "pgmahout"
KEY_FILE = "/etc/bind/pgmahout.key"
OPTIONS = """options {
  directory "/var/cache/bind"; listen-on { any; }; listen-on-v6 { none; }; recursion no;
  allow-query { any; }; dnssec-validation no; empty-zones-enable no; notify no; minimal-responses yes;
};
"""
ZONE_STATEMENT = """include "%(key_file)s";
zone "%(zone)s" {
  type primary; file "/var/lib/bind/lab.zone";
  update-policy { grant %(key)s zonesub A AAAA TXT; };
};
"""
ZONE_FILE = """$TTL 60
@ IN SOA ns root ( 1 60 30 3600 1 )
@ IN NS ns
ns IN A %(address)s
"""


def serve(guest, zone):
    """Configures and starts BIND; returns once it answers."""
    values = {"zone": zone, "key": KEY_NAME, "key_file": KEY_FILE, "address": guest.address}
    guest.write(KEY_FILE, guest.run("tsig-keygen", "-a", "hmac-sha256", KEY_NAME), "0640", "root:bind")
    guest.write("/etc/bind/named.conf.options", OPTIONS)
    guest.write("/etc/bind/named.conf.local", ZONE_STATEMENT % values)
    guest.write("/var/lib/bind/lab.zone", ZONE_FILE % values, owner="bind:bind")
    guest.run("sed", "-i", "/default-zones/d", "/etc/bind/named.conf")
    guest.run("systemctl", "enable", "--now", "named.service")
    wait_for(lambda: "3600" in guest.run("dig", "+short", f"@{guest.address}", zone, "SOA"), 15, "BIND to answer")


def tsig_key(guest):
    """The key file's text, as the controller takes it."""
    return guest.read(KEY_FILE)
