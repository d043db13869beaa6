// DSSE by sigstore's JavaScript: verifies envelopes that cutproof made with @sigstore/verify, and makes some for it to
// verify with @sigstore/core's encoding and node's own signatures.
//
// dsse.mjs verify ENVELOPE THRESHOLD PUBLIC...   exit code 0 where so many of the keys signed it; prints their names
// dsse.mjs sign PAYLOAD ENVELOPE PRIVATE...      one signature for each key

import { createHash, createPrivateKey, createPublicKey, sign as signature } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { toDSSEBundle } from '@sigstore/bundle';
import { dsse } from '@sigstore/core';
import { Verifier, toSignedEntity, toTrustMaterial } from '@sigstore/verify';

const PAYLOAD_TYPE = 'application/vnd.in-toto+json';

/** A key's name as cutproof gives it: SHA-256 of its SPKI. */
function named(path) {
    const der = createPublicKey(readFileSync(path)).export({ type: 'spki', format: 'der' });
    return [createHash('sha256').update(der).digest('hex'), { rawBytes: der }];
}

/** Sigstore's bundles have one signature: each is verified in a bundle of its own, by the key that it names. */
function verify(envelope, threshold, ...paths) {
    const { payload, payloadType, signatures } = JSON.parse(readFileSync(envelope, 'utf8'));
    const none = { certificateAuthorities: [], timestampAuthorities: [], tlogs: [], ctlogs: [] };
    const trusted = toTrustMaterial(none, Object.fromEntries(paths.map(named)));
    const verifier = new Verifier(trusted, { ctlogThreshold: 0, tlogThreshold: 0, timestampThreshold: 0 });
    const accepted = new Set();
    for (const { keyid, sig } of signatures) {
        const bundle = toDSSEBundle({
            artifact: Buffer.from(payload, 'base64'),
            artifactType: payloadType,
            signature: Buffer.from(sig, 'base64'),
            keyHint: keyid,
        });
        try {
            verifier.verify(toSignedEntity(bundle));
            accepted.add(keyid);
        } catch (error) {
            console.error(`${keyid}: ${error.message}`);
        }
    }
    console.log([...accepted].sort().join('\n'));
    process.exitCode = payloadType === PAYLOAD_TYPE && accepted.size >= Number(threshold) ? 0 : 1;
}

function sign(payload, out, ...paths) {
    const body = readFileSync(payload);
    const message = dsse.preAuthEncoding(PAYLOAD_TYPE, body);
    const signatures = paths.map((path) => {
        const key = createPrivateKey(readFileSync(path));
        const digest = key.asymmetricKeyType === 'ed25519' ? null : 'sha256';
        // In the URL-safe alphabet, which readers must take too, and without a keyid, which is optional.
        return { sig: urlSafe(signature(digest, message, key)) };
    });
    writeFileSync(out, JSON.stringify({ payload: body.toString('base64'), payloadType: PAYLOAD_TYPE, signatures }));
}

/** With its padding, which node leaves out. */
function urlSafe(bytes) {
    return bytes.toString('base64').replaceAll('+', '-').replaceAll('/', '_');
}

const [verb, ...rest] = process.argv.slice(2);
({ verify, sign })[verb](...rest);
