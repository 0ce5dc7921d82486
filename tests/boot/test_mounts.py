"""Volumes and shares: what becomes of a disk, with our own programs in the place of the system's.

The programs keep to what the real ones do: `blkid` reads the disk, and ends with 2 when it finds
nothing or cannot read; `mkfs.ext4` writes a signature where ext4 has its own; `mount` and `umount`
keep the list that the kernel would. Each writes down how it was called.

Seen to fail: with the disk not looked at, with what `blkid` says on the side left unread, with
services started first, with a size that restarts them, and with a disk used again that is mounted.
"""
import json
import os
import time

from world import CloudTest, sleeper

VOLUME, OTHER = "vol-0123456789abcdef0", "vol-00000000000000001"
MAGIC_AT = 1080  # Where ext4 has 53 EF.

PROGRAMS = {
    "blkid": """
        [ -r "$2" ] || exit 2
        magic=$(dd if="$2" bs=1 skip=1080 count=2 2>/dev/null | od -An -tx1 | tr -d ' \\n')
        if [ "$magic" = 53ef ]; then echo "$2: UUID=\\"u\\" TYPE=\\"ext4\\""; exit 0; fi
        if [ "$(head -c 4 "$2")" = XFSB ]; then echo "$2: TYPE=\\"xfs\\""; exit 0; fi
        if [ "$(head -c 4 "$2")" = TWO! ]; then echo "ambivalent result" >&2; exit 8; fi
        exit 2""",
    "mkfs.ext4": """
        for disk; do :; done
        printf '\\123\\357' | dd of="$disk" bs=1 seek=1080 conv=notrunc 2>/dev/null""",
    "mount": """
        for path; do disk=$last; last=$path; done
        [ ! -e {root}/refuses ] || {{ echo "mount: wrong fs type"; exit 32; }}
        [ -d "$path" ] || {{ echo "mount: $path: no such folder"; exit 32; }}
        echo "$disk $path ext4 rw 0 0" >> {root}/proc/mounts""",
    "umount": """
        [ ! -e {root}/busy ] || {{ echo "umount: $1: target is busy."; exit 32; }}
        grep -v " $1 " {root}/proc/mounts > {root}/proc/left
        mv {root}/proc/left {root}/proc/mounts""",
    "resize2fs": "echo resized",
    "mount.nfs4": "exit 0",
}


def volume(name=VOLUME, readonly=False, size="20GiB"):
    return {"path": "/mnt/data", "volume": name, "nfs": None, "readonly": readonly, "size": size}


SHARE = {"path": "/mnt/files", "volume": None, "size": None, "readonly": True,
         "nfs": "fs-1.efs.eu-central-1.amazonaws.com:/"}


class Mounts(CloudTest):
    def setUp(self):
        super().setUp()
        self.programs = self.root / "programs"
        self.programs.mkdir()
        for name, text in PROGRAMS.items():
            self.program(name, text)
        self.path = f"{self.programs}:/usr/bin:/bin"
        self.at = str(self.root / "mnt/data")

    def program(self, name, text):
        path, log = self.programs / name, self.root / "called"
        text = text.replace("{root}", str(self.root)).replace("{{", "{").replace("}}", "}")
        path.write_text(f'#!/bin/sh\necho {name} "$@" >> {log}\n{text}\n')
        path.chmod(0o755)

    def attach(self, name=VOLUME, content=b""):
        disk = self.root / f"dev/{name}"
        disk.write_bytes(content + bytes((1 << 20) - len(content)))
        link = f"nvme-Amazon_Elastic_Block_Store_{name.replace('-', '')}"
        (self.root / "dev/disk/by-id" / link).symlink_to(disk)
        return disk

    def called(self, but=("blkid",)):
        """What was called since this was asked last, but for looks; disks by their names."""
        log = self.root / "called"
        lines = log.read_text().replace(f"{self.root}/", "/").splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return [line for line in lines if line.split()[0] not in but]

    def bundle(self, *mounts, **service):
        job = {"job": sleeper(**service)}
        return self.put_bundle(job, {"DATA_PATH": "/mnt/data"}, None, mounts)

    def test_a_new_disk_gets_a_file_system_once_and_services_start_on_it(self):
        disk = self.attach()
        # The service sees what is mounted: the list is what the kernel would have.
        self.put_bundle({"job": {**sleeper(), "run": f"grep -q /mnt/data {self.root}/proc/mounts "
                                 "|| exit 9; exec sleep 1000"}}, None, None, [volume()])
        code, status = self.run_once()
        self.assertEqual((code, status["phase"]), (0, "ready"), status)
        self.assertEqual(status["services"]["job"]["restarts"], 0)
        self.assertEqual(self.called(), [
            f"mkfs.ext4 -q /dev/{VOLUME}",
            f"mount -o nosuid,nodev /dev/{VOLUME} /mnt/data"])
        kept = disk.read_bytes()
        # Again, and after a reboot: nothing, and the mount alone.
        self.run_once()
        self.assertEqual(self.called(), [])
        (self.root / "proc/mounts").write_text("")
        self.run_once()
        self.assertEqual(self.called(), [
            f"mount -o nosuid,nodev /dev/{VOLUME} /mnt/data", f"resize2fs /dev/{VOLUME}"])
        self.assertEqual(disk.read_bytes(), kept)

    def test_what_has_any_signature_is_never_formatted(self):
        disk = self.attach(content=b"XFSB and all that somebody wrote")
        self.bundle(volume())
        self.assertEqual(self.run_once()[0], 0)
        self.assertEqual(self.called(), [f"mount -o nosuid,nodev /dev/{VOLUME} /mnt/data"])
        for content, cause in [(b"TWO! signatures", "has no known file system"),
                               (b"no signature, and not blank", "has no known file system")]:
            (self.root / "proc/mounts").write_text("")
            disk.write_bytes(content + bytes(1 << 20))
            code, status = self.run_once()
            self.assertEqual((code, status["phase"]), (1, "failed"))
            self.assertIn(cause, status["failure"]["cause"])
            self.assertEqual(status["failure"]["what"], f"`{self.at}` cannot be mounted")
            self.assertEqual(status["services"], {}, "it would write beside the disk")
            self.assertEqual(self.called(), [])

    def test_what_blkid_cannot_say_is_no_blank_disk(self):
        self.attach()
        self.program("blkid", "echo 'blkid: error: I/O' >&2; exit 2")
        self.bundle(volume())
        code, status = self.run_once()
        self.assertEqual((code, self.called()), (1, []))
        self.assertIn("I/O", status["failure"]["log_tail"])
        # A disk that cannot be read is told as that.
        (self.root / f"dev/{VOLUME}").unlink()
        (self.root / f"dev/{VOLUME}").mkdir()
        code, status = self.run_once()
        self.assertEqual((code, self.called()), (1, []))
        self.assertIn("Is a directory", status["failure"]["cause"])

    def test_a_disk_that_comes_late_is_waited_for(self):
        self.bundle(volume())
        self.start()
        self.await_status(lambda now: now["phase"] == "installing")
        time.sleep(1)
        self.assertEqual((self.called(), self.status()["services"]), ([], {}))
        self.attach()
        ready = self.await_phase("ready")
        self.assertEqual(ready["services"]["job"]["state"], "healthy")
        self.assertEqual([line.split()[0] for line in self.called()], ["mkfs.ext4", "mount"])

    def test_it_grows_below_services_that_do_not_notice(self):
        self.attach()
        self.bundle(volume())
        self.start()
        before = self.await_phase("ready")
        self.called()
        etag = self.bundle(volume(size="40GiB"))
        after = self.await_status(lambda now: now["bundle"] == etag and now["phase"] == "ready")
        self.assertEqual(self.called(), [f"resize2fs /dev/{VOLUME}"])
        self.assertEqual(after["services"], before["services"])

    def test_what_is_not_wanted_any_more_is_let_go_of_once_nobody_uses_it(self):
        self.attach()
        self.attach(OTHER)
        self.bundle(volume())
        self.start()
        before = self.await_phase("ready")["services"]["job"]["pid"]
        self.called()
        # Another disk at the same path: the service has files open on the first.
        etag = self.bundle(volume(OTHER))
        after = self.await_status(lambda now: now["bundle"] == etag and now["phase"] == "ready")
        self.assertNotEqual(after["services"]["job"]["pid"], before)
        self.assertEqual(self.called(), [
            "umount /mnt/data", f"mkfs.ext4 -q /dev/{OTHER}",
            f"mount -o nosuid,nodev /dev/{OTHER} /mnt/data"])
        (self.root / "busy").touch()
        etag = self.bundle()
        failed = self.await_phase("failed")
        self.assertEqual(failed["failure"]["cause"], f"umount: {self.at}: target is busy.")
        (self.root / "busy").unlink()
        self.bundle(MODE="again")
        self.await_phase("ready")
        self.assertEqual((self.root / "proc/mounts").read_text(), "")

    def test_what_somebody_else_has_mounted_is_left_alone(self):
        self.attach()
        (self.root / "proc/mounts").write_text(f"/dev/sdz {self.at} ext4 rw 0 0\n")
        self.bundle(volume())
        code, status = self.run_once()
        self.assertEqual((code, self.called()), (1, []))
        self.assertEqual(status["failure"]["cause"], "something else is mounted there")

    def test_a_share_is_mounted_and_a_refusal_is_told_in_its_own_words(self):
        self.bundle(SHARE)
        (self.root / "refuses").touch()
        code, status = self.run_once()
        self.assertEqual((code, status["failure"]["cause"]), (1, "mount: wrong fs type"))
        (self.root / "refuses").unlink()
        self.called()
        self.assertEqual(self.run_once()[0], 0)
        self.assertEqual(self.called(), [
            "mount -o nosuid,nodev,ro -t nfs4 -o nfsvers=4.1,rsize=1048576,wsize=1048576,hard,"
            "timeo=600,retrans=2,noresvport,_netdev fs-1.efs.eu-central-1.amazonaws.com:/ "
            "/mnt/files"])
        self.run_once()
        self.assertEqual(self.called(), [])

    def test_what_mounts_shares_is_had_from_the_distribution(self):
        (self.programs / "mount.nfs4").unlink()
        self.program("dpkg", "exit 0")
        self.program("apt-get",
                     'case "$*" in *install*) echo "E: no such package"; exit 100;; esac')
        self.bundle(SHARE)
        code, status = self.run_once()
        self.assertEqual((code, status["failure"]["cause"]), (1, "E: no such package"))
        self.assertIn("`nfs-common` cannot be installed", status["failure"]["what"])
        self.assertEqual(json.loads((self.root / "opt/dsenv/mounts").read_text()),
                         {str(self.root / "mnt/files"): {**SHARE, "size": 0}})
        self.assertTrue(os.path.isdir(self.root / "mnt/files"))
