#!/usr/bin/env python3
"""Mirrors one platform of a multi-platform index with skopeo, into a registry on loopback.

usage: index.py WORK [PLATFORMS]

Makes an image index with so many platforms (26), of 1 MiB each, copies it into docker-registry in each
way that skopeo has, and prints what arrived: bytes, how many platforms, whether the index that was
published can be had from there, and whether its digest is still that. Ends with 3 when skopeo or
docker-registry is not installed.
"""
import hashlib, json, os, random, shutil, socket, subprocess, sys, time, urllib.error, urllib.request

work, platforms = sys.argv[1], int((sys.argv[2:] or ['26'])[0])
if not (shutil.which('skopeo') and shutil.which('docker-registry')):
    sys.exit(3)
shutil.rmtree(work, ignore_errors=True)
layout = work + '/layout'
os.makedirs(layout + '/blobs/sha256')
dice = random.Random(1)


def blob(kind, data):
    digest = hashlib.sha256(data).hexdigest()
    with open(f'{layout}/blobs/sha256/{digest}', 'wb') as file:
        file.write(data)
    return {'mediaType': f'application/vnd.oci.image.{kind}', 'digest': 'sha256:' + digest, 'size': len(data)}


def document(kind, value):
    return blob(kind, json.dumps(value).encode())


machines = [('linux', 'amd64')] + [('linux', f'machine{n}') for n in range(1, platforms)]
manifests = []
for system, machine in machines:
    layer = blob('layer.v1.tar+gzip', dice.randbytes(1 << 20))
    rootfs = {'type': 'layers', 'diff_ids': [layer['digest']]}
    config = document('config.v1+json', {'os': system, 'architecture': machine, 'rootfs': rootfs})
    manifest = {'schemaVersion': 2, 'config': config, 'layers': [layer]}
    manifest['mediaType'] = 'application/vnd.oci.image.manifest.v1+json'
    entry = document('manifest.v1+json', manifest)
    manifests.append(entry | {'platform': {'os': system, 'architecture': machine}})
index_type = 'application/vnd.oci.image.index.v1+json'
index = document('index.v1+json', {'schemaVersion': 2, 'mediaType': index_type, 'manifests': manifests})
top = {'schemaVersion': 2, 'manifests': [index | {'annotations': {'org.opencontainers.image.ref.name': 'all'}}]}
json.dump(top, open(layout + '/index.json', 'w'))
json.dump({'imageLayoutVersion': '1.0.0'}, open(layout + '/oci-layout', 'w'))
total = sum(entry.stat().st_size for entry in os.scandir(layout + '/blobs/sha256'))


def ask(port, path):
    """The body and the digest of what a registry has under a path; nothing where it has nothing."""
    accepted = f'{index_type}, application/vnd.oci.image.manifest.v1+json'
    request = urllib.request.Request(f'http://127.0.0.1:{port}/v2/{path}', headers={'Accept': accepted})
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.read(), answer.headers.get('Docker-Content-Digest')
    except OSError:
        return None, None


print('way              bytes of the whole   platforms   index there   digest as published   second mirror')
for way in ['all', 'system', 'index-only']:
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    store = f'{work}/{way}'
    os.makedirs(store)
    with open(f'{work}/{way}.yml', 'w') as file:
        file.write(f'version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {store}\nhttp:\n  addr: 127.0.0.1:{port}\n')
    registry = subprocess.Popen(['docker-registry', 'serve', f'{work}/{way}.yml'],
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while ask(port, '')[0] is None:
            if registry.poll() is not None:
                sys.exit('the registry ended')
            time.sleep(0.05)
        here = ['--override-os', 'linux', '--override-arch', 'amd64', '--insecure-policy']
        to = f'docker://127.0.0.1:{port}/family:1'
        copied = subprocess.run(['skopeo', *here, 'copy', '--preserve-digests', '--multi-arch', way, '--dest-tls-verify=false',
                                 f'oci:{layout}:all', to], capture_output=True, text=True)
        sizes = [os.path.getsize(os.path.join(dir, name))
                 for dir, _, names in os.walk(store + '/docker/registry/v2/blobs') for name in names]
        body, digest = ask(port, 'family/manifests/1')
        is_index = body is not None and 'manifests' in json.loads(body)
        held = sum(ask(port, f"family/manifests/{entry['digest']}")[0] is not None for entry in manifests)
        # A mirror of this mirror copies what it has under the name that was published.
        again = subprocess.run(['skopeo', *here, 'copy', '--multi-arch', 'all', '--src-tls-verify=false',
                                to, f'oci:{work}/{way}-second:all'], capture_output=True, text=True)
        said = lambda run: 'yes' if run.returncode == 0 else 'no: ' + run.stderr.strip().split('msg=')[-1][:150]
        print(f"{way:16} {sum(sizes) / total:18.1%}   {held:9}   {'yes' if is_index else 'no':11}"
              f"   {'yes' if digest == index['digest'] else 'no':19}   {said(again)}")
        if way == 'system':
            # The index as it was signed, beside the one platform that is there.
            url = f'http://127.0.0.1:{port}/v2/family/manifests/whole'
            with open(f"{layout}/blobs/sha256/{index['digest'][7:]}", 'rb') as file:
                put = urllib.request.Request(url, file.read(), {'Content-Type': index_type}, method='PUT')
            try:
                print('   the index put there by hand:', urllib.request.urlopen(put).status)
            except urllib.error.HTTPError as error:
                said_there = json.load(error)['errors'][0]['code']
                print(f'   the index put there by hand: {error.code} {said_there}')
        if copied.returncode:
            print('   copy:', said(copied))
    finally:
        registry.terminate()
        registry.wait()
