"""tuspyserver in its smallest form. Runs in the bench's own environment, hence outside the package."""

import os

from fastapi import FastAPI
from tuspyserver import create_tus_router

app = FastAPI()
app.include_router(create_tus_router(prefix="files", files_dir=os.environ["TUS_FILES"]))
