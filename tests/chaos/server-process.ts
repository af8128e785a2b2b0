import { endpointsOf } from '../../sandbox/http/endpoints.ts';
import { JOB_USER } from '../../sandbox/iam/job-user.ts';
import { startServer } from '../../sandbox/process/server.ts';

/** Serves a state folder until it is killed, or its parent is gone. */
const { state, dataproc, project } = JSON.parse(process.argv[2] ?? '');
process.once('disconnect', () => process.exit(0));
const server = await startServer({ state, dataproc });
server.rename(project);
process.send?.({
  job: endpointsOf(server.origin, server.iam.token(JOB_USER)),
  owner: endpointsOf(server.origin, server.iam.ownerToken),
});
