import { RunError } from '@pulumi/pulumi';

/**
 * An error of the user's, of which the engine shows the message alone. It has no stack: the language host
 * formats every stack in colour before it leaves it out, and Node 20 takes twenty seconds over frames that
 * lie in node_modules.
 */
export function userError(message: string): RunError {
  const error = new RunError(message);
  error.stack = `Error: ${message}`;
  return error;
}
