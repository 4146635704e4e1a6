#!/bin/sh
# Makes a folder of ARM programs for qemu-user: Debian's Python 3.11, and numpy and onnxruntime from PyPI.
#
#     apt-get install qemu-user-static
#     sh benchmarks/parts/arm_root.sh DIR        (on Debian 12; about 250 MB; changes nothing outside DIR)
#     export DIMAGING_ARM_ROOT=DIR
set -eu
mkdir -p "$1/apt/lists/partial" "$1/apt/archives/partial" "$1/wheels" "$1/site" "$1/proc"
cd "$1"
here=$(pwd)
apt() {
    apt-get -q -o APT::Architecture=arm64 -o APT::Architectures::=arm64 -o APT::Sandbox::User="$(id -un)" \
        -o Dir::State="$here/apt" -o Dir::State::status="$here/apt/status" -o Dir::Cache="$here/apt" "$@"
}
: > apt/status
apt update
(cd apt/archives && apt download libc6 libgcc-s1 libstdc++6 zlib1g libexpat1 libffi8 libbz2-1.0 liblzma5 \
    libuuid1 libssl3 libsqlite3-0 libpython3.11-minimal libpython3.11-stdlib python3.11-minimal)
for package in apt/archives/*.deb; do
    dpkg -x "$package" .
done
for name in numpy onnxruntime; do
    version=$(python3 -c "from importlib.metadata import version; print(version('$name'))")
    pip download -q --no-deps --only-binary=:all: --python-version 3.11 --implementation cp --abi cp311 \
        --platform manylinux_2_28_aarch64 --platform manylinux_2_27_aarch64 --platform manylinux2014_aarch64 \
        -d wheels "$name==$version"
done
for wheel in wheels/*.whl; do
    python3 -m zipfile -e "$wheel" site
done
# onnxruntime asks this file what the processor can do; without it it would read this machine's own
for core in 0 1; do
    printf 'processor\t: %s\nBogoMIPS\t: 50.00\n' "$core"
    printf 'Features\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp\n'
    printf 'CPU implementer\t: 0x41\nCPU architecture: 8\nCPU variant\t: 0x4\nCPU part\t: 0xd0b\nCPU revision\t: 1\n\n'
done > proc/cpuinfo
rm -r apt wheels
qemu-aarch64-static -cpu cortex-a76 -L . -E PYTHONPATH=site usr/bin/python3.11 -c \
    "import onnxruntime, platform; print(platform.machine(), onnxruntime.__version__)"
