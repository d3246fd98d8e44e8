// A real Socket.IO server that numbers its messages, in one count for all of its life. What it does is said to it a line at
// a time; what it did is answered in JSON, a line each.
import { createRequire } from "node:module";
import { createServer } from "node:http";
import { createInterface } from "node:readline";

const { Server } = createRequire(process.argv[2] + "/")("socket.io");
const options = JSON.parse(process.argv[3]);
const http = createServer();
const io = new Server(http, { pingInterval: 300, pingTimeout: 400, ...options });
let sent = 0, storm = false, acked = [], auth = null;
const say = (what) => process.stdout.write(JSON.stringify(what) + "\n");

const game = io.of("/game");
game.use((socket, next) => {
  auth = socket.handshake.auth;
  next(auth.token === "geheim" ? undefined : new Error("no such token"));
});
for (const space of [io, game]) {
  space.on("connection", (socket) => {
    if (storm) socket.disconnect(true);
    socket.on("hello", (name, answer) => answer?.({ welcome: name }));
  });
}
const tick = (pad) => ({ n: ++sent, pad: "x".repeat(pad) });
const commands = {
  // So many messages of so many bytes, at once.
  burst: (count, pad) => { for (let i = 0; i < count; i++) io.emit("tick", tick(pad)); },
  // One every so many milliseconds.
  flow: (every, pad) => { commands.still(); commands.timer = setInterval(() => io.emit("tick", tick(pad)), every); },
  still: () => clearInterval(commands.timer),
  binary: () => io.emit("picture", { n: ++sent, all: [Buffer.from([1, 2, 3]), Buffer.from([255])] }),
  acks: () => io.timeout(5000).emit("urgent", { n: ++sent }, (error, answers) => acked.push(error ? "late" : answers.length)),
  leave: () => io.disconnectSockets(false),
  kick: () => io.disconnectSockets(true),
  storm: (on) => { storm = on === 1; if (storm) io.disconnectSockets(true); },
};
createInterface({ input: process.stdin }).on("line", (line) => {
  const [command, ...args] = line.split(" ");
  commands[command]?.(...args.map(Number));
  say({ sent, acked, auth, clients: io.engine.clientsCount });
}).on("close", () => process.exit(0));
http.listen(0, "127.0.0.1", () => say({ port: http.address().port }));
