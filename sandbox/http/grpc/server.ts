import type { Socket } from 'node:net';
import {
  type handleUnaryCall,
  Server,
  ServerCredentials,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import type { Json } from '../router.ts';
import { authorizationIn } from './authorization.ts';
import { BROKEN, failure, UNTOLD } from './failures.ts';
import { methods } from './services.ts';
import type { HttpCall } from './transcoding.ts';

/** Answers a call over HTTP within this process; null where the connection would have broken. */
export type AnswerHttp = (
  call: HttpCall,
  authorization: string | undefined,
) => Promise<{ readonly status: number; readonly body: Json } | null>;

/** The sandbox's services over gRPC, for connections that somebody else has accepted. */
export interface GrpcServer {
  serve(connection: Socket): void;
  close(): void;
}

/** Every call is answered as the HTTP call is that it stands for, so that no service is written twice. */
export function grpcServer(answerHttp: AnswerHttp): GrpcServer {
  const server = new Server();
  const handle: handleUnaryCall<HttpCall, Json> = ({ request, metadata }, callback) => {
    answerHttp(request, authorizationIn(metadata))
      .then((answer) => {
        if (answer === null) callback(BROKEN);
        else if (answer.status < 300) callback(null, answer.body);
        else callback(failure(answer.body.error as Json));
      })
      .catch(() => callback(UNTOLD));
  };
  const all = methods();
  const definition = Object.fromEntries(all.map((method) => [method.name, method.definition]));
  const handlers: UntypedServiceImplementation = Object.fromEntries(all.map(({ name }) => [name, handle]));
  server.addService(definition, handlers);
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  return {
    serve: (connection) => injector.injectConnection(connection),
    close: () => server.forceShutdown(),
  };
}
