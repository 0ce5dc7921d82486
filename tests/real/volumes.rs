//! A volume and a share on this machine: what a service writes stays when its machine goes.

use crate::place::{Place, until};

/// The environment is not ephemeral: data is asked about. The test destroys what it made itself.
const BLUEPRINT: &str = r#"blueprint: disks
resources:
  data: {kind: volume, size: 1GiB, on_destroy: delete}
  files: {kind: share, on_destroy: delete}
  desk:
    kind: machine
    uses: {data: read_write, files: read_write}
    services:
      job: {run: "echo $$ >> $DATA_PATH/starts; cp $DATA_PATH/starts $FILES_PATH/seen; exec sleep 1000"}
  workers: {kind: pool, count: 2, uses: {files: read}}
environments:
  dev: {provider: local}
"#;

/// Seen to fail: with the folders of volumes taken away with a machine.
#[test]
fn what_is_written_to_a_volume_survives_its_machine() {
    let place = Place::new(BLUEPRINT);
    place.apply();
    place.is_settled();
    let exec = |who: &str, script: &str| {
        place.ok(&["exec", "-e", "dev", who, "--", "/bin/sh", "-c", script]).out
    };
    let starts = |who: &str, file: &str| exec(who, &format!("cat {file} || true")).lines().count();
    until("the service has written", || (starts("desk", "$DATA_PATH/starts") == 1).then_some(()));
    let before = place.resources();
    place.ok(&["apply", "-e", "dev", "--yes", "--replace", "desk"]);
    let after = place.resources();
    assert_eq!((&after["data"], &after["files"]), (&before["data"], &before["files"]));
    until("it wrote again", || (starts("desk", "$DATA_PATH/starts") == 2).then_some(()));
    // Members of a pool see the share, and not the volume.
    until("they see it", || (starts("workers.member[1]", "$FILES_PATH/seen") == 2).then_some(()));
    assert_eq!(exec("workers.member[0]", "echo ${DATA_PATH-none}"), "none\n");
    place.is_settled();
    let said = place.ok(&["check", "-e", "dev", "--json"]).out;
    assert!(said.contains("`size` sets no limit"), "{said}");
    assert!(said.contains("nothing keeps `workers` from writing to `files`"), "{said}");
    // Another blueprint that says nothing of its data is not to lose it.
    place.edit("dsenv.yaml", "size: 1GiB, on_destroy: delete", "size: 1GiB");
    place.refuses(&["destroy", "-e", "dev", "--yes"], 1, "E0809");
}
