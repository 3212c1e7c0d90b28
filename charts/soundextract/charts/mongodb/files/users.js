// Creates or updates one user with one role for each service, under the name that is in the
// Secret, and renews MongoDB's certificate. It can be run any number of times. The files are
// the mounted Secret and the ConfigMap next to this script.
const fs = require("fs");
const read = (name) => fs.readFileSync(`/run/secrets/mongodb/${name}`, "utf8").trim();
const secure = fs.existsSync("/run/tls/ca.crt");
const client = new Mongo(
  `mongodb://${encodeURIComponent(read("username"))}:${encodeURIComponent(read("password"))}@localhost:27017/admin` +
    (secure ? "?tls=true&tlsCAFile=/run/tls/ca.crt" : ""),
);
const admin = client.getDB("admin");

const run = (command) => {
  const result = admin.runCommand(command);
  if (!result.ok) throw new Error(`${Object.keys(command)[0]}: ${result.errmsg}`);
  return result;
};

for (const [service, collections] of Object.entries(JSON.parse(fs.readFileSync("/setup/roles.json", "utf8")))) {
  const privileges = Object.entries(collections).map(([collection, actions]) => ({
    resource: { db: process.env.DATABASE, collection },
    actions,
  }));
  const role = `soundextract-${service}`;
  const exists = (run({ rolesInfo: role }).roles ?? []).length > 0;
  run({ [exists ? "updateRole" : "createRole"]: role, privileges, roles: [] });
  const user = { pwd: read(`${service}-password`), roles: [{ role, db: "admin" }] };
  const name = read(`${service}-username`);
  const known = (run({ usersInfo: name }).users ?? []).length > 0;
  run({ [known ? "updateUser" : "createUser"]: name, ...user });
}
if (secure) {
  try {
    run({ rotateCertificates: 1 });
  } catch (e) {
    // A compatible server may read it by itself.
    if (e.codeName !== "CommandNotFound") throw e;
  }
}
print("the users of the services are up to date");
