import { createRequire } from 'node:module';
import type { MethodDefinition } from '@grpc/grpc-js';
import { fromProto3JSON, toProto3JSON } from 'proto3-json-serializer';
import protobuf from 'protobufjs';
import type { Json } from '../router.ts';
import { bytesOf, strictly } from './messages.ts';
import { type HttpCall, type HttpRule, transcoded } from './transcoding.ts';

/** The services that Google's clients call by gRPC, by the package of the client that describes them. */
const SERVICES = {
  '@google-cloud/kms': ['google.cloud.kms.v1.KeyManagementService'],
  '@google-cloud/dataproc': ['google.cloud.dataproc.v1.BatchController', 'google.longrunning.Operations'],
  '@google-cloud/workflows': ['google.cloud.workflows.executions.v1.Executions'],
};

/**
 * Dataproc's operations have other paths than the service's description says:
 * https://github.com/googleapis/googleapis/blob/master/google/cloud/dataproc/v1/dataproc_v1.yaml
 */
const PATHS: Readonly<Record<string, HttpRule>> = {
  'google.longrunning.Operations.GetOperation': { get: '/v1/{name=projects/*/regions/*/operations/*}' },
  'google.longrunning.Operations.CancelOperation': {
    post: '/v1/{name=projects/*/regions/*/operations/*}:cancel',
  },
};

/** A method of gRPC that is one of HTTP by another name. */
export interface Method {
  readonly name: string;
  readonly definition: MethodDefinition<HttpCall, Json>;
}

/** The methods of every service. A request is decoded to the HTTP call that it stands for, an answer encoded from JSON. */
export function methods(): Method[] {
  const require = createRequire(import.meta.url);
  return Object.entries(SERVICES).flatMap(([from, services]) => {
    const root = protobuf.Root.fromJSON(require(`${from}/build/protos/protos.json`));
    return services.flatMap((service) =>
      root.lookupService(service).methodsArray.flatMap((method) => methodOf(service, method)),
    );
  });
}

function methodOf(service: string, method: protobuf.Method): Method[] {
  const name = `${service}.${method.name}`;
  const { '(google.api.http)': described } = Object.assign({}, ...(method.parsedOptions ?? []));
  const rule: HttpRule | undefined = PATHS[name] ?? described;
  if (rule === undefined) return [];
  method.resolve();
  const { resolvedRequestType: request, resolvedResponseType: response } = method;
  if (request === null || response === null) throw new Error(`${name} has no types`);
  const definition: Method['definition'] = {
    path: `/${service}/${method.name}`,
    requestStream: false,
    responseStream: false,
    requestDeserialize: (bytes) => {
      strictly(request, bytes);
      // Of a Buffer, since the serializer takes a part of any other array for the whole of its memory.
      return transcoded(rule, toProto3JSON(request.decode(bytes)) as Json);
    },
    responseSerialize: (json) =>
      bytesOf(response, response.create(fromProto3JSON(response, json as never) ?? {})),
    // A client's part, which nobody asks a server for.
    requestSerialize: () => Buffer.alloc(0),
    responseDeserialize: () => ({}),
  };
  return [{ name, definition }];
}
