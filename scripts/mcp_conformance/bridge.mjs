// The conformance suite speaks HTTP only. This hands each of its messages to `stele mcp` on standard
// input, and the answer back, so that the suite tries the other transport, too.
//
//   node bridge.mjs PATH/TO/stele DATA_DIR
//
// Each handshake gets a program of its own; requests without one share another. Nothing is looked at
// but the id, which is counted anew on the way in and put back on the way out.
import { spawn } from "node:child_process";
import { createServer } from "node:http";
import { createInterface } from "node:readline";

const [stele, dataDir] = process.argv.slice(2);

function start() {
    const child = spawn(stele, ["mcp", "--data-dir", dataDir], { stdio: ["pipe", "pipe", "ignore"] });
    const waiting = new Map();
    let next = 1;
    createInterface({ input: child.stdout }).on("line", (line) => {
        const message = JSON.parse(line);
        const asked = waiting.get(message.id);
        waiting.delete(message.id);
        asked?.answer({ ...message, id: asked.id });
    });
    child.on("exit", () => waiting.forEach(({ answer }) => answer(null)));
    return {
        end: () => child.stdin.end(),
        send: (message) =>
            new Promise((answer) => {
                if (message.id === undefined) {
                    child.stdin.write(`${JSON.stringify(message)}\n`);
                    return answer(null);
                }
                waiting.set(next, { id: message.id, answer });
                child.stdin.write(`${JSON.stringify({ ...message, id: next++ })}\n`);
            }),
    };
}

const sessions = new Map([["", start()]]);
const server = createServer(async (request, response) => {
    let body = "";
    for await (const piece of request) body += piece;
    let session = request.headers["mcp-session-id"] ?? "";
    if (request.method === "DELETE") {
        sessions.get(session)?.end();
        return response.writeHead(200).end();
    }
    if (request.method !== "POST") return response.writeHead(405).end();
    const message = JSON.parse(body);
    if (message.method === "initialize") sessions.set((session = `s${sessions.size}`), start());
    const answer = await sessions.get(session)?.send(message);
    const headers = session === "" ? {} : { "Mcp-Session-Id": session };
    if (!answer) return response.writeHead(202, headers).end();
    response.writeHead(200, { ...headers, "Content-Type": "application/json" }).end(JSON.stringify(answer));
});
server.listen(0, "127.0.0.1", () => {
    console.log(JSON.stringify({ url: `http://127.0.0.1:${server.address().port}/mcp` }));
});
process.on("SIGTERM", () => {
    sessions.forEach((session) => session.end());
    process.exit(0);
});
