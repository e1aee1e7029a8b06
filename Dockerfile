# A ready Jupyter with the book, for the processor alone. It runs as a user without rights.
#     docker build -t unet-tutorial .
#     docker run --rm -p 127.0.0.1:8888:8888 unet-tutorial      and open the address that it prints
FROM python:3.13.15-slim-bookworm

RUN useradd --create-home --uid 1000 reader
WORKDIR /unet-tutorial
RUN chown reader:reader .
USER 1000:1000

# What is installed changes rarely, what is read changes often: so these come first.
ENV TORCH=cpu PIP_NO_CACHE_DIR=1 PYTHONDONTWRITEBYTECODE=1 JUPYTER_PREFER_ENV_PATH=1
COPY --chown=reader:reader pyproject.toml requirements.txt requirements-test.txt README.md LICENSE LICENSE-TEXT ./
COPY --chown=reader:reader tools tools
COPY --chown=reader:reader unet_tutorial unet_tutorial
RUN python tools/install.py && rm -rf .venv/.uv _build && .venv/bin/python -c "import unet_tutorial, jupyterlab"
COPY --chown=reader:reader notebooks notebooks

EXPOSE 8888
# Inside the container every address is meant; which ones reach it, -p decides.
CMD [".venv/bin/jupyter", "lab", "--ip=0.0.0.0", "--port=8888", "--no-browser", "--notebook-dir=notebooks"]
