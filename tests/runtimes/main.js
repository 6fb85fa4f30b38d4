'use strict';
const assert = require('assert');
const { execFile, fork, spawnSync } = require('child_process');
const crypto = require('crypto');
const dgram = require('dgram');
const dns = require('dns').promises;
const fs = require('fs');
const http = require('http');
const net = require('net');
const os = require('os');
const { promisify } = require('util');
const { Worker, isMainThread, workerData } = require('worker_threads');
const zlib = require('zlib');

const event = (from, name) => new Promise((done, fail) => from.once(name, done).once('error', fail));

async function files() {
    await fs.promises.mkdir('/tmp/directory/inner', { recursive: true });
    const changed = new Promise(done => fs.watch('/tmp/directory', (_, name) => done(name)));
    await fs.promises.writeFile('/tmp/directory/file', 'x'.repeat(1 << 20));
    await fs.promises.copyFile('/tmp/directory/file', '/tmp/directory/copy');
    const packed = fs.createReadStream('/tmp/directory/copy').pipe(zlib.createGzip());
    const stream = packed.pipe(fs.createWriteStream('/tmp/z'));
    await event(stream, 'finish');
    const length = zlib.gunzipSync(fs.readFileSync('/tmp/z')).length;
    return [await changed, length, (await fs.promises.readdir('/tmp/directory')).join()];
}

async function children() {
    const said = await promisify(execFile)('/bin/sh', ['-c', 'echo child']);
    const ended = spawnSync('cat', { input: 'through cat' });
    const forked = fork(__filename, ['forked']);
    forked.send(20);
    const answer = await event(forked, 'message');
    return [said.stdout.trim(), ended.stdout.toString(), answer];
}

async function workers() {
    const shared = new Int32Array(new SharedArrayBuffer(4));
    const all = [1, 2, 3, 4].map(number => new Worker(__filename, { workerData: { shared, number } }));
    await Promise.all(all.map(worker => event(worker, 'exit')));
    return shared[0];
}

async function web() {
    const server = http.createServer((from, to) => from.pipe(to)).listen(0, 'localhost');
    await event(server, 'listening');
    const request = http.request({ port: server.address().port, host: 'localhost', method: 'POST' });
    request.end('echoed');
    let heard = '';
    for await (const part of await event(request, 'response')) heard += part;
    server.close();
    const local = net.createServer(socket => socket.end('local')).listen('/tmp/socket');
    await event(local, 'listening');
    for await (const part of net.connect('/tmp/socket')) heard += ' ' + part;
    local.close();
    const datagrams = dgram.createSocket('udp4').bind(0, '127.0.0.1');
    await event(datagrams, 'listening');
    datagrams.send('datagram', datagrams.address().port, '127.0.0.1');
    heard += ' ' + await event(datagrams, 'message');
    datagrams.close();
    return heard;
}

// A module with one function, which adds.
async function wasm() {
    const bytes = '0061736d0100000001070160027f7f017f030201000707010361646400000a09010700200020016a0b';
    const { instance } = await WebAssembly.instantiate(Buffer.from(bytes, 'hex'));
    return instance.exports.add(40, 2);
}

async function main() {
    console.log(await files(), await children(), await workers());
    console.log(await web(), await wasm(), (await dns.lookup('localhost', 4)).address);
    const key = await promisify(crypto.scrypt)('password', 'salt', 32);
    assert.strictEqual(crypto.randomBytes(16).length, 16);
    const pair = await promisify(crypto.generateKeyPair)('ec', { namedCurve: 'P-256' });
    assert(crypto.verify('sha256', key, pair.publicKey, crypto.sign('sha256', key, pair.privateKey)));
    console.log(key.toString('hex').slice(0, 8), Object.keys(os.networkInterfaces()), os.userInfo().username);
    process.once('SIGUSR2', signal => console.log(signal, os.availableParallelism() > 0));
    process.kill(process.pid, 'SIGUSR2');
    const timer = setTimeout(() => {}, 60000);
    await event(process, 'SIGUSR2');
    clearTimeout(timer);
}

if (process.argv[2] === 'forked') {
    process.once('message', number => process.send(number + 1, () => process.disconnect()));
} else if (isMainThread) {
    main().then(() => process.exit()).catch(error => { console.error(error); process.exit(1); });
} else {
    Atomics.add(workerData.shared, 0, workerData.number);
}
