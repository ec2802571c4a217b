/** The two doors of a property store, as applications call them, behind one interface, so that one suite asks both. */
import { create, fromJson, type JsonValue, toJson } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import {
  ApplyRequestSchema,
  DeleteRequestSchema,
  PropertyService,
  QueryRequestSchema,
  QueryResponseSchema,
} from '../../src/banyandb/generated/banyandb/property/v1/rpc_pb.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { BadRequestSchema } from '../../src/peer/generated/google/rpc/error_details_pb.ts';
import { PeerConnection } from '../../src/peer/peer-connection.ts';
import type { Json } from './running-service.ts';

/** What was answered; `status` as the door has it. */
export interface DoorAnswer {
  readonly status: number;
  readonly body: Json;
}

export interface DoorEntity {
  readonly group: string;
  readonly name: string;
  readonly id: string;
}

export interface Door extends Disposable {
  apply(entity: DoorEntity, tags: readonly Json[], more?: Json): Promise<DoorAnswer>;
  delete(entity: DoorEntity): Promise<DoorAnswer>;
  query(query: Json): Promise<DoorAnswer>;
}

/** Over HTTP, at an admin endpoint. */
export function httpDoor(address: string, token: string | null = null): Door {
  const ask = async (method: string, path: string, body: Json): Promise<DoorAnswer> => {
    const response = await fetch(`http://${address}/v1/property/data/${path}`, {
      method,
      headers: {
        ...(body !== null && { 'content-type': 'application/json' }),
        ...(token !== null && { authorization: `Bearer ${token}` }),
      },
      body: body === null ? null : JSON.stringify(body),
    });
    return { status: response.status, body: await response.json() };
  };
  const pathOf = ({ group, name, id }: DoorEntity) => [group, name, id].map(encodeURIComponent).join('/');
  return {
    apply: (entity, tags, { metadata, ...more }: Json = {}) =>
      ask('PUT', pathOf(entity), { property: { tags, ...(metadata && { metadata }) }, ...more }),
    delete: (entity) => ask('DELETE', pathOf(entity), null),
    query: (query) => ask('POST', 'query', query),
    [Symbol.dispose]: () => undefined,
  };
}

/** Over gRPC. A wrong status has the codes and the violations as its body. */
export function grpcDoor(address: string, token: string | null = null): Door {
  const connection = new PeerConnection({ place: address, clock: systemClock });
  const client = connection.client(PropertyService);
  const options = token === null ? {} : { headers: { authorization: `Bearer ${token}` } };
  const answer = async (work: Promise<Json>): Promise<DoorAnswer> => {
    try {
      return { status: 0, body: await work };
    } catch (thrown) {
      const error = ConnectError.from(thrown);
      const [violation] = error.findDetails(BadRequestSchema).flatMap((one) => one.fieldViolations);
      const body = { code: error.metadata.get('tallystick-code'), detail: error.rawMessage };
      return {
        status: error.code,
        body: { ...body, ...(violation && { field: violation.field, reason: violation.description }) },
      };
    }
  };
  return {
    apply: ({ group, name, id }, tags, { metadata, ...more }: Json = {}) => {
      const json = { property: { metadata: { ...metadata, group, name }, id, tags }, ...more };
      return answer(client.apply(fromJson(ApplyRequestSchema, json as JsonValue), options));
    },
    delete: (entity) => answer(client.delete(create(DeleteRequestSchema, entity), options)),
    query: async (query) => {
      const { status, body } = await answer(client.query(fromJson(QueryRequestSchema, query), options));
      if (status !== 0) return { status, body };
      return { status, body: toJson(QueryResponseSchema, body, { alwaysEmitImplicit: true }) };
    },
    [Symbol.dispose]: () => connection[Symbol.dispose](),
  };
}

/** The status that each door has for a code. */
export const statuses = {
  http: { ok: 200, 'bad-argument': 400, 'not-found': 404, 'too-large': 413, role: 403, nobody: 401 },
  grpc: {
    ok: 0,
    'bad-argument': Code.InvalidArgument,
    'not-found': Code.NotFound,
    'too-large': Code.ResourceExhausted,
    role: Code.PermissionDenied,
    nobody: Code.Unauthenticated,
  },
} as const;
