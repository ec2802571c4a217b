/** What a BanyanDB node of the simulator holds coordinators to. */
import { createClient } from '@connectrpc/connect';
import { createUniversalHandlerClient } from '@connectrpc/connect/protocol';
import { createTransport } from '@connectrpc/connect/protocol-grpc';
import { describe, expect, test } from 'vitest';
import {
  type RepairRequest,
  RepairService,
} from '../../src/banyandb/generated/banyandb/property/v1/repair_pb.ts';
import { toWireProperty } from '../../src/banyandb/node-property.ts';
import { parseSource } from '../../src/property/source-json.ts';
import { makeVersion } from '../support/versions.ts';
import type { Violation } from './invariants.ts';
import { NodeStore } from './node-store.ts';
import { SkewedClock, VirtualTime } from './virtual-time.ts';

describe('a live version that is pushed to a BanyanDB node', () => {
  /** What the node says of a push of `e0` over its tombstone, when asked for it first and before that deleted, or not. */
  async function pushed(asked: 'never' | 'before the delete' | 'after the delete') {
    const violations: Violation[] = [];
    const wentBack: string[] = [];
    const clock = new SkewedClock(new VirtualTime(), 'node', 0);
    const store = new NodeStore({
      ...{ place: 'node', clock, slots: 1 },
      onViolation: (violation) => violations.push(violation),
      onWentBack: (key) => wentBack.push(key),
    });
    const { handlers } = store.serve();
    const client = createClient(
      RepairService,
      createTransport({
        ...{
          httpClient: createUniversalHandlerClient([...handlers]),
          baseUrl: 'http://node',
          useBinaryFormat: true,
        },
        ...{ interceptors: [], acceptCompression: [], sendCompression: null, compressMinBytes: 1_000_000 },
        ...{ readMaxBytes: 1_000_000, writeMaxBytes: 1_000_000 },
      }),
    );
    const version = makeVersion({ id: 'e0', revision: 5n });
    const entity = 'g/n/e0';
    const remove = async (): Promise<void> => {
      await store.write('e0', 'v', 5n);
      await store.remove('e0');
    };
    async function* requests(): AsyncGenerator<Partial<RepairRequest>> {
      if (asked !== 'before the delete') await remove();
      if (asked !== 'never') yield { data: { case: 'propertyMissing', value: { entity } } } as never;
      if (asked === 'before the delete') await remove();
      const property = toWireProperty(parseSource(version.source));
      yield {
        data: { case: 'propertySync', value: { property, deleteTime: 0n, id: Buffer.alloc(0) } },
      } as never;
    }
    const answers = client.repair(requests() as never);
    await Array.fromAsync(answers).catch(() => undefined);
    return { violations: violations.map(({ message }) => message), wentBack: wentBack.length };
  }

  test('does not take the place of a tombstone that the node told of', async () => {
    const wrong = [' pushed g/n/e0 live to node, which had told it of the delete'];
    expect(await pushed('never')).toEqual({ violations: wrong, wentBack: 1 });
    expect(await pushed('after the delete')).toEqual({ violations: wrong, wentBack: 1 });
    expect(await pushed('before the delete')).toEqual({ violations: [], wentBack: 1 });
  });
});
