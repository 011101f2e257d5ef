// tus-js-client as a program: node upload.mjs <node_modules> with a plan on stdin.
//
//   file      what to send
//   input     "file" (default): a stream of the file that the client may read anew; "stream": one that it may not; "buffer"
//   options   of tus.Upload, as they are
//   abortAt   give up once this many bytes were sent, as a person who closes the program
//
// Events: url (the upload has one), aborted, done, failed.
import { createReadStream, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { PassThrough } from "node:stream";

const tus = createRequire(`${process.argv[2]}/`)("tus-js-client");
const plan = JSON.parse(readFileSync(0));

const inputs = {
    file: () => createReadStream(plan.file),
    stream: () => createReadStream(plan.file).pipe(new PassThrough()),
    buffer: () => readFileSync(plan.file),
};

function say(event, more = {}) {
    process.stdout.write(`${JSON.stringify({ event, url: upload.url, ...more })}\n`);
}

const upload = new tus.Upload(inputs[plan.input ?? "file"](), {
    retryDelays: null,
    metadata: { filename: "scan of Jürg.bin", filetype: "application/octet-stream" },
    ...plan.options,
    onUploadUrlAvailable: () => say("url"),
    onSuccess: () => say("done"),
    onError: (error) => say("failed", { status: error.originalResponse?.getStatus() ?? 0, text: String(error.message) }),
    onProgress: (sent) => {
        if (plan.abortAt === undefined || sent < plan.abortAt) return;
        upload.abort();
        say("aborted", { sent });
        plan.abortAt = undefined;
        process.exitCode = 0;
    },
});
upload.start();
