// Says what the conformance suite found, and whether that is as it should be.
//
//   node judge.mjs RESULTS absent.txt
//
// RESULTS holds TRANSPORT/SUITE/VERSION/SCENARIO/…/checks.json. A check that did not pass has to be
// covered by an entry of absent.txt, each entry has to cover one, and none may cover a check that
// passed. Ends with 1 otherwise.
import { globSync, readFileSync } from "node:fs";

const [dir, absent] = process.argv.slice(2);
const pattern = (glob) => new RegExp(`^${glob.replace(/[.+?]/g, "\\$&").replaceAll("*", ".*")}$`);
const entries = [];
for (const line of readFileSync(absent, "utf8").split("\n")) {
    if (line.trim() === "" || line.startsWith("#")) continue;
    const [, transport, check, reason] = /^(\S+)\s+(\S+)\s+(\S.*)$/.exec(line) ?? [];
    if (!reason) throw new Error(`absent.txt: no reason in: ${line}`);
    entries.push({ name: `${transport} ${check}`, transport: pattern(transport), check: pattern(check), used: 0 });
}

let wrong = 0;
const total = { passed: 0, left: 0, runs: 0 };
const fail = (what) => {
    wrong += 1;
    console.log(`FAIL  ${what}`);
};
for (const file of globSync("*/*/*/*/result", { cwd: dir }).sort()) {
    const [transport, suite, version, scenario] = file.split("/");
    const run = `${transport} ${suite} ${version} ${scenario}`;
    const files = globSync(`${transport}/${suite}/${version}/${scenario}/**/checks.json`, { cwd: dir });
    const checks = files.flatMap((found) => JSON.parse(readFileSync(`${dir}/${found}`, "utf8")));
    let [passed, left, failed] = [0, 0, 0];
    for (const { id, status, errorMessage } of checks) {
        const covering = (entry) => entry.transport.test(transport) && entry.check.test(`${scenario}/${id}`);
        const covers = entries.filter(covering);
        if (status === "SUCCESS") {
            passed += 1;
            for (const entry of covers) {
                failed += 1;
                fail(`${run}/${id} passes: absent.txt must not name it (${entry.name})`);
            }
        } else if (covers.length > 0) {
            left += 1;
            for (const entry of covers) entry.used += 1;
        } else if (status !== "INFO") {
            failed += 1;
            fail(`${run}/${id}: ${status} ${errorMessage ?? ""}`);
        }
    }
    if (passed + left + failed === 0) fail(`${run}: nothing was checked`);
    total.passed += passed;
    total.left += left;
    total.runs += 1;
    if (failed === 0 && passed > 0) console.log(`pass  ${run}: ${passed} passed, ${left} do not apply`);
}
for (const entry of entries) if (entry.used === 0) fail(`absent.txt names what there is not: ${entry.name}`);
const found = `${total.passed} checks passed, ${total.left} do not apply`;
console.log(`${total.runs} runs: ${found}, ${wrong} are not as they should be`);
process.exit(wrong > 0 || total.passed === 0 ? 1 : 0);
