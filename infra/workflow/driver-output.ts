import { assign, choose, expression, request, type Step, type Subworkflow } from './steps.ts';

/** The lines that matter have some hundred characters and are the driver's last but a few. */
const TAIL_BYTES = 8192;

/** How each of the application's own lines begins; docs/spark.md lists them. */
const START = '"{\\"reseal\\""';

/** Reads the end of the driver's last object; Dataproc numbers them as they fill. */
const tail: Step[] = [
  {
    place: assign({
      bucket: expression('text.split(output, "/")[2]'),
      objects: expression('"https://storage.googleapis.com/storage/v1/b/" + bucket + "/o"'),
      prefix: expression('text.substring(output, len(bucket) + 6, len(output))'),
    }),
  },
  { list: request('get', { url: expression('objects'), query: { prefix: expression('prefix') } }, 'listed') },
  { some: assign({ none: [], found: expression('default(map.get(listed.body, "items"), none)') }) },
  { any: choose({ 'len(found) == 0': 'told' }) },
  { last: assign({ last: expression('text.url_encode(found[len(found) - 1].name)') }) },
  {
    read: request(
      'get',
      {
        url: expression('objects + "/" + last'),
        query: { alt: 'media' },
        headers: { Range: `bytes=-${TAIL_BYTES}` },
      },
      'object',
    ),
  },
  { content: assign({ content: expression('object.body') }) },
  { kind: choose({ 'get_type(content) != "bytes"': 'lines' }) },
  { decode: assign({ content: expression('text.decode(content)') }) },
];

/** The last line of counts, and the last of an error. */
const lines: Step[] = [
  {
    lines: {
      for: {
        value: 'piece',
        in: expression(`text.split(content, ${START})`),
        steps: [
          {
            own: choose(
              {
                'text.match_regex(piece, "^: ?\\"counts\\"")': 'counts',
                'text.match_regex(piece, "^: ?\\"error\\"")': 'error',
              },
              'continue',
            ),
          },
          { counts: assign({ line: expression(`json.decode(${START} + text.split(piece, "\\n")[0])`) }) },
          { kept: { ...assign({ kms_calls: expression('string(line.kms_calls)') }), next: 'continue' } },
          { error: assign({ line: expression(`json.decode(${START} + text.split(piece, "\\n")[0])`) }) },
          { told_why: assign({ code: expression('line.code'), message: expression('line.message') }) },
        ],
      },
    },
  },
];

/**
 * What the application said in the driver's output: its KMS calls, or the code and message that it failed
 * with; empty texts where it said nothing, as a jar of the user's own does. It is no reason to fail when the
 * output cannot be read: the rows themselves are verified.
 */
export const driverWordsSubworkflow: Subworkflow = {
  params: ['output'],
  steps: [
    { nothing: assign({ kms_calls: '', code: '', message: '' }) },
    { no_output: choose({ 'output == ""': 'say' }) },
    {
      listen: {
        try: { steps: [...tail, ...lines, { told: assign({ output: '' }) }] },
        except: { as: 'e', steps: [{ unread: assign({ output: '' }) }] },
      },
    },
    {
      say: {
        return: {
          kms_calls: expression('kms_calls'),
          code: expression('code'),
          message: expression('message'),
        },
      },
    },
  ],
};
