"""What pyproject.toml cannot say: a wheel carries conf/, sql/, sample_data/, jobs/ and streaming/ in saleslake/_project."""

import importlib.util
import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent


def project():
    """lib/saleslake/project.py, alone: what the package needs is not installed here."""
    spec = importlib.util.spec_from_file_location("project", ROOT / "lib" / "saleslake" / "project.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class WithProject(build_py):
    def run(self):
        super().run()
        if self.editable_mode:  # the checkout itself is what it runs from
            return
        names = project()
        for folder in names.FOLDERS:
            to = Path(self.build_lib) / "saleslake" / names.CARRIED / folder
            shutil.rmtree(to, ignore_errors=True)
            shutil.copytree(ROOT / folder, to, ignore=shutil.ignore_patterns("__pycache__", ".*", "*.pyc"))


setup(cmdclass={"build_py": WithProject})
