/** PropertyService with certificates: whose are let in, and that neither port takes what is meant for the other. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { PropertyService } from '../../src/banyandb/generated/banyandb/property/v1/rpc_pb.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { ShardService } from '../../src/peer/generated/tallystick/v1/shard_pb.ts';
import { PeerConnection } from '../../src/peer/peer-connection.ts';
import { TlsFiles } from '../../src/peer/tls.ts';
import { makeAuthority, writeCertificate } from '../support/certificates.ts';
import { Cluster } from '../support/running-service.ts';

test('an application shows a certificate of its authority, a peer one of its own', async () => {
  const cluster = await Cluster.create();
  onTestFinished(async () => await cluster[Symbol.asyncDispose]());
  const file = (name: string): string => join(cluster.directory, name);
  for (const [authority, names] of [
    ['peers', ['replica', 'peer']],
    ['shops', ['store', 'shop']],
  ] as const) {
    const made = await makeAuthority(authority);
    writeFileSync(file(`${authority}.crt`), made.cert);
    for (const name of names) await writeCertificate(cluster.directory, name, made);
  }
  const tls = (name: string, authority: string) =>
    `tls: { cert: ${file(name)}.crt, key: ${file(name)}.key, ca: ${file(authority)}.crt`;
  const settings = [
    'groups: [{ group: app }]',
    `${tls('replica', 'peers')}, allow: [peer] }`,
    'property:',
    '  listen: 127.0.0.1:0',
    `  ${tls('store', 'shops')} }`,
  ];
  const { service } = await cluster.start('one', {}, settings.join('\n'));

  const connect = (place: string | null, authority: string, name: string | null): PeerConnection => {
    const shown = name !== null && { certPath: file(`${name}.crt`), keyPath: file(`${name}.key`) };
    const files = new TlsFiles({ ...shown, caPath: file(`${authority}.crt`) });
    const connection = new PeerConnection({ place: place ?? '', clock: systemClock, tls: files });
    onTestFinished(() => connection[Symbol.dispose]());
    return connection;
  };
  const write = (connection: PeerConnection) => {
    const property = {
      metadata: { group: 'app', name: 'n' },
      id: 'a',
      tags: [{ key: 'x', value: { value: { case: 'int' as const, value: { value: 1n } } } }],
    };
    return connection.client(PropertyService).apply({ property });
  };
  const list = (connection: PeerConnection) => connection.client(ShardService).listShards({});

  const { propertyAddress: applications, address: peers } = service;
  expect(await write(connect(applications, 'shops', 'shop'))).toMatchObject({ created: true });
  await expect(write(connect(applications, 'shops', null))).rejects.toThrow();
  await expect(write(connect(applications, 'shops', 'peer'))).rejects.toThrow();
  await expect(list(connect(applications, 'shops', 'shop'))).rejects.toThrow('unimplemented');

  expect((await list(connect(peers, 'peers', 'peer'))).groups).toHaveLength(1);
  await expect(list(connect(peers, 'peers', 'shop'))).rejects.toThrow();
  await expect(list(connect(peers, 'peers', 'replica'))).rejects.toThrow('not among the allowed peers');
  await expect(write(connect(peers, 'peers', 'peer'))).rejects.toThrow('unimplemented');
});
