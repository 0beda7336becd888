/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>
#include <stdlib.h>

#include "vmm/options.h"

#define MAX_ARGS 48

/* Cuts a line at its blanks; "~" in a word stands for a blank. */
static int split(char *line, char **argv)
{
	int n = 0;

	for (char *w = strtok(line, " "); w && n < MAX_ARGS; w = strtok(NULL, " ")) {
		for (char *p = w; *p; p++)
			*p = *p == '~' ? ' ' : *p;
		argv[n++] = w;
	}
	return n;
}

static int parse(enum opt_cmd cmd, const char *text, struct vm_config *c, struct opt_result *r)
{
	char line[512], *argv[MAX_ARGS];

	snprintf(line, sizeof(line), "%s", text);
	config_init(c);
	return options_parse(cmd, c, split(line, argv), argv, r);
}

static const struct {
	const char *line, *error;
} bad[] = {
	{ "-c 0", "--cpus: '0' is not a number from 1 to 64" },
	{ "-c 1000", "--cpus: '1000' is not a number from 1 to 64" },
	{ "-c -1", "--cpus: '-1' is not a number from 1 to 64" },
	{ "-c 18446744073709551617", "--cpus: '18446744073709551617' is not a number from 1 to 64" },
	{ "--cpus=", "--cpus: '' is not a number from 1 to 64" },
	{ "-m 1", "--memory: '1' is too small, the minimum is 16M" },
	{ "-m 1E", "--memory: '1E' is not a size: a number with K, M or G, or of MiB" },
	{ "-m 1GG", "--memory: '1GG' is not a size: a number with K, M or G, or of MiB" },
	{ "-m -5", "--memory: '-5' is not a size: a number with K, M or G, or of MiB" },
	{ "-m 17592186044416G", "--memory: '17592186044416G' is not a size: a number with K, M or G, or of MiB" },
	{ "-m 20000000", "--memory: '20000000' is too large, the maximum is 16384G" },
	{ "-m 65537K", "--memory: the size must be a multiple of 4K" },
	{ "-m 65M,hugepages=on", "--memory: with hugepages=on the size must be a multiple of 2M" },
	{ "-m 1G,hugepage=on", "--memory: unknown key 'hugepage' (did you mean 'hugepages'?)" },
	{ "-m 1G,hugepages=yes", "--memory: hugepages='yes' is not on or off" },
	{ "-m 1G,hugepages", "--memory: 'hugepages' needs a value: hugepages=on|off" },
	{ "-m 1G,size=2G", "--memory: key 'size' is given twice" },
	{ "-m", "--memory: an argument is missing" },
	{ "--kernle x", "unknown option '--kernle' (did you mean '--kernel'?)" },
	{ "--kernle=x", "unknown option '--kernle' (did you mean '--kernel'?)" },
	{ "--mem 1G", "unknown option '--mem' (did you mean '--memory'?)" },
	{ "--zzzzzz", "unknown option '--zzzzzz', see --help" },
	{ "--", "unknown option '--', see --help" },
	{ "-z", "unknown option '-z', see --help" },
	{ "-", "unknown option '-', see --help" },
	{ "vmlinuz", "unexpected argument 'vmlinuz', options begin with '-', and a value with spaces needs quotes" },
	{ "-k fd:x", "--kernel: 'fd:x' is not an inherited descriptor (fd:N)" },
	{ "-k fd:99999999999", "--kernel: 'fd:99999999999' is not an inherited descriptor (fd:N)" },
	{ "--kernel=", "--kernel: '' is not a path" },
	{ "-d a,rw", "--disk: unknown key 'rw' (did you mean 'ro'?)" },
	{ "-d a,flavour=x", "--disk: unknown key 'flavour', it takes PATH[,ro][,id=ID][,queues=N][,bps=SIZE][,iops=N][,viommu=on|off]" },
	{ "-d ro", "--disk: needs a path" },
	{ "-d a,id=a/b", "--disk: id='a/b' is not an id: 1 to 32 letters, digits, '.', '_' or '-'" },
	{ "-d a,queues=0", "--disk: queues='0' is not a number from 1 to 64" },
	{ "-d a,id=x -d b,id=x", "--disk: another one has that id" },
	{ "-d a,", "--disk: unknown key '', it takes PATH[,ro][,id=ID][,queues=N][,bps=SIZE][,iops=N][,viommu=on|off]" },
	{ "-d a,iops=0", "--disk: iops='0' is not a number from 1 to 4294967295" },
	{ "-d a,bps=1X", "--disk: bps='1X' is not a size: a number with K, M or G, or of MiB" },
	{ "-n mac=02:00:00:00:00:01", "--net: needs a tap interface: tap=IF or tap=fd:N" },
	{ "--vfio fd:5", "--vfio: a descriptor needs the address of its function: fd:N,bdf=BDF" },
	{ "--vfio 1:0.0,bdf=1:0.0", "--vfio: two PCI addresses, or a path: give BDF, or fd:N,bdf=BDF" },
	{ "--vfio fd:x,bdf=1:0.0", "--vfio: 'fd:x' is not an inherited descriptor (fd:N)" },
	{ "--vfio 01:00.0,p2p=yes", "--vfio: unknown p2p 'yes', it is one of off|on" },
	{ "-n tap0", "--net: unknown key 'tap0' (did you mean 'tap'?)" },
	{ "-n tap=", "--net: tap='' is not a path" },
	{ "-n tap=t,mac=1", "--net: mac='1' is not a MAC address of one device, such as 02:00:00:00:00:01" },
	{ "-n tap=t,queues=17", "--net: queues='17' is not a number from 1 to 16" },
	{ "-n tap=t,id=x -n tap=u,id=x", "--net: another one has that id" },
	{ "--vsock uds=x", "--vsock: needs the guest's context id: cid=N, 3 or more" },
	{ "--vsock cid=2", "--vsock: cid='2' is not a number from 3 to 4294967294" },
	{ "--vsock cid=3,uds=", "--vsock: uds= needs a path" },
	{ "--balloon maybe", "--balloon: 'maybe' is not on or off" },
	{ "--balloon target=1K", "--balloon: '1K' is too small, the minimum is 4K" },
	{ "--console hvc:off", "--console: off leaves no hvc either" },
	{ "--console hvc:ptty", "--console: unknown kind 'ptty' (did you mean 'pty'?)" },
	{ "--rng maybe", "--rng: 'maybe' is not on or off" },
	{ "--console file", "--console: 'file' needs a value: file=PATH" },
	{ "--console ptty", "--console: unknown kind 'ptty' (did you mean 'pty'?)" },
	{ "--console pty,file=x", "--console: takes one of stdio, file=PATH, pty and off" },
	{ "--console=", "--console: unknown kind '', it is one of [hvc:]stdio|file=PATH|pty|off" },
	{ "--on-reboot rest", "--on-reboot: unknown action 'rest' (did you mean 'reset'?)" },
	{ "--grace 1d", "--grace: '1d' is not a number from 0 to 86400" },
	{ "--ready-fd x", "--ready-fd: 'x' is not an inherited descriptor (fd:N)" },
	{ "--kvm /dev/kvm", "--kvm: '/dev/kvm' is not an inherited descriptor (fd:N)" },
	{ "--log loud", "--log: unknown level 'loud', it is one of error|warn|info|debug|trace" },
	{ "--raw-cmdline=x", "--raw-cmdline: 'x' is not on or off" },
	{ "--out d", "'--out' is an option of nidus show only" },
	{ "--report=", "--report: needs a path, or fd:N" },
	{ "--report fd:", "--report: fd:N is an inherited descriptor, N its number" },
	{ "--report fd:+1", "--report: fd:N is an inherited descriptor, N its number" },
	{ "--report fd:2147483648", "--report: fd:N is an inherited descriptor, N its number" },
};

static void test_options_bad_line_names_the_option(void **state)
{
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		struct vm_config c;
		struct opt_result r;

		assert_int_equal(parse(CMD_RUN, bad[i].line, &c, &r), EXIT_USAGE);
		assert_string_equal(r.error, bad[i].error);
		assert_null(strchr(r.error, '\n'));
		config_free(&c);
	}
}

static void test_options_devices_fill_the_configuration(void **state)
{
	struct vm_config c;
	struct opt_result r;
	char *json;

	assert_int_equal(parse(CMD_RUN, "-k k -n tap=t0 --net tap=fd:4,mac=02:00:00:00:aa:01,id=lan,queues=4,bps=10M,pps=500 -d a,bps=1M,iops=100"
					" --vsock cid=42,uds=/tmp/v --balloon target=64M --console hvc:file=out", &c, &r), 0);
	assert_int_equal(c.n_nets, 2);
	assert_string_equal(c.nets[0].tap.path, "t0");
	assert_int_equal(c.nets[0].tap.fd, -1);
	assert_string_equal(c.nets[0].id, "net0");
	assert_false(c.nets[0].mac_set);
	assert_int_equal(c.nets[1].tap.fd, 4);
	assert_string_equal(c.nets[1].id, "lan");
	assert_true(c.nets[1].mac_set);
	assert_int_equal(c.nets[1].mac[4], 0xaa);
	assert_int_equal(c.nets[1].queues, 4);
	assert_int_equal(c.nets[1].bps, MiB(10));
	assert_int_equal(c.nets[1].pps, 500);
	assert_int_equal(c.disks[0].bps, MiB(1));
	assert_int_equal(c.disks[0].iops, 100);
	assert_true(c.vsock);
	assert_int_equal(c.vsock_cid, 42);
	assert_string_equal(c.vsock_uds, "/tmp/v");
	assert_true(c.balloon);
	assert_int_equal(c.balloon_bytes, MiB(64));
	assert_true(c.console.hvc);
	assert_int_equal(c.console.kind, CONSOLE_FILE);
	json = config_json(&c);
	assert_non_null(strstr(json, "\"mac\": \"02:00:00:00:aa:01\""));
	assert_non_null(strstr(json, "\"bps\": \"10M\""));
	free(json);
	config_free(&c);
	/* The last one counts, with all that belongs to it. */
	assert_int_equal(parse(CMD_RUN, "--console file=out --console pty -m 1G,hugepages=on -m 2G --vsock cid=3,uds=x --vsock cid=4"
					" --balloon on,target=1M --balloon off", &c, &r), 0);
	assert_int_equal(c.console.kind, CONSOLE_PTY);
	assert_null(c.console.file.path);
	assert_false(c.hugepages);
	assert_int_equal(c.mem_bytes, GiB(2));
	assert_null(c.vsock_uds);
	assert_false(c.balloon);
	assert_int_equal(c.balloon_bytes, 0);
	config_free(&c);
	assert_int_equal(parse(CMD_RUN, "--console pty --console hvc:file=out", &c, &r), 0);
	assert_int_equal(c.console.kind, CONSOLE_FILE);
	assert_true(c.console.hvc);
	config_free(&c);
	assert_int_equal(parse(CMD_RUN, "-m 2G -m hugepages=on", &c, &r), 0);
	assert_int_equal(c.mem_bytes, GiB(2));
	config_free(&c);
	assert_int_equal(parse(CMD_RUN, "--console hvc:stdio --console pty --balloon on", &c, &r), 0);
	assert_false(c.console.hvc);
	assert_true(c.balloon);
	config_free(&c);
}

static void test_options_good_line_fills_the_configuration(void **state)
{
	struct vm_config c;
	struct opt_result r;

	assert_int_equal(parse(CMD_RUN, "-k vmlinuz --initramfs=i.gz --append root=/dev/vda~ro -c4 -m 6G,hugepages=on -d a,,b=c.img,ro -d fd:5,id=x,queues=2"
					" --disk path=id,ro=off --rng off --console file=out --on-reboot reset --grace 3 --report r.json --ready-fd fd:7"
					" --kvm fd:9 --log debug --raw-cmdline --testdev", &c, &r), 0);
	assert_string_equal(r.error, "");
	assert_string_equal(c.kernel.path, "vmlinuz");
	assert_int_equal(c.kernel.fd, -1);
	assert_string_equal(c.initrd.path, "i.gz");
	assert_string_equal(c.cmdline, "root=/dev/vda ro");
	assert_true(c.raw_cmdline);
	assert_int_equal(c.cpus, 4);
	assert_int_equal(c.mem_bytes, GiB(6));
	assert_true(c.hugepages);
	assert_int_equal(c.n_disks, 3);
	assert_string_equal(c.disks[0].file.path, "a,b=c.img");
	assert_string_equal(c.disks[0].id, "disk0");
	assert_true(c.disks[0].ro);
	assert_int_equal(c.disks[1].file.fd, 5);
	assert_string_equal(c.disks[1].id, "x");
	assert_int_equal(c.disks[1].queues, 2);
	assert_string_equal(c.disks[2].file.path, "id");
	assert_string_equal(c.disks[2].id, "disk1");
	assert_false(c.disks[2].ro);
	assert_false(c.rng);
	assert_int_equal(c.console.kind, CONSOLE_FILE);
	assert_string_equal(c.console.file.path, "out");
	assert_true(c.reboot_reset);
	assert_int_equal(c.grace_s, 3);
	assert_string_equal(c.report, "r.json");
	assert_int_equal(c.ready_fd, 7);
	assert_int_equal(c.kvm_fd, 9);
	assert_int_equal(c.log_level, 3);
	assert_true(c.testdev);
	config_free(&c);
}

static const struct {
	const char *text;
	u64 bytes;
} sizes[] = {
	{ "16384K", MiB(16) }, { "64", MiB(64) }, { "64m", MiB(64) }, { "1g", GiB(1) }, { "0016M", MiB(16) }, { "16384G", GiB(16384) },
};

static void test_options_size_units(void **state)
{
	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct vm_config c;
		struct opt_result r;
		char line[64];

		snprintf(line, sizeof(line), "-m %s", sizes[i].text);
		assert_int_equal(parse(CMD_RUN, line, &c, &r), 0);
		assert_int_equal(c.mem_bytes, sizes[i].bytes);
		config_free(&c);
	}
}

static void test_options_last_scalar_wins_and_lists_have_an_end(void **state)
{
	struct vm_config c;
	struct opt_result r;
	char *argv[2 * (CONFIG_MAX_DISKS + 1)];

	assert_int_equal(parse(CMD_RUN, "-k a -k b -c 2 -c 3", &c, &r), 0);
	assert_string_equal(c.kernel.path, "b");
	assert_int_equal(c.cpus, 3);
	for (unsigned i = 0; i <= CONFIG_MAX_DISKS; i++) {
		argv[2 * i] = "-d";
		argv[2 * i + 1] = "x";
	}
	assert_int_equal(options_parse(CMD_RUN, &c, ARRAY_SIZE(argv), argv, &r), EXIT_USAGE);
	assert_string_equal(r.error, "--disk: at most 14 are supported");
	config_free(&c);
}

static void test_options_subcommands_take_their_own(void **state)
{
	struct vm_config c;
	struct opt_result r;

	assert_int_equal(parse(CMD_SHOW, "--arch arm64 --out d -c 2", &c, &r), 0);
	assert_int_equal(c.arch, ARCH_ARM64);
	assert_string_equal(c.out_dir, "d");
	config_free(&c);
	assert_int_equal(parse(CMD_CHECK, "--json --skip", &c, &r), 0);
	assert_true(c.json && c.skip);
	config_free(&c);
	assert_int_equal(parse(CMD_CHECK, "--disk x", &c, &r), EXIT_USAGE);
	config_free(&c);
	assert_int_equal(parse(CMD_RUN, "-c 2 --help --nonsense", &c, &r), 0);
	assert_true(r.help);
	config_free(&c);
}

static void test_options_help_lists_what_is_not_hidden(void **state)
{
	static const struct { enum opt_cmd cmd; const char *has, *hasnt; } rows[] = {
		{ CMD_RUN, "-d, --disk PATH[,ro][,id=ID][,queues=N]", "--testdev" },
		{ CMD_RUN, "-m, --memory SIZE[,hugepages=on|off]", "--out" },
		{ CMD_SHOW, "--arch ARCH", "--report" },
		{ CMD_CHECK, "--skip", "--disk" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		char *text;
		size_t len;
		FILE *f = open_memstream(&text, &len);

		options_help(f, rows[i].cmd);
		fclose(f);
		assert_non_null(strstr(text, rows[i].has));
		assert_null(strstr(text, rows[i].hasnt));
		free(text);
	}
}

static void test_options_distance_known_pairs(void **state)
{
	static const struct { const char *a, *b; unsigned d; } rows[] = {
		{ "", "", 0 }, { "abc", "", 3 }, { "", "ab", 2 }, { "kernel", "kernle", 1 }, { "disk", "disc", 1 }, { "ro", "rw", 1 },
		{ "kitten", "sitting", 3 }, { "a123456789012345678901234567890123", "a", 33 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(options_distance(rows[i].a, rows[i].b), rows[i].d);
		assert_int_equal(options_distance(rows[i].b, rows[i].a), rows[i].d);
	}
}

static void test_options_json_holds_the_configuration(void **state)
{
	struct vm_config c;
	struct opt_result r;
	char *text;
	json_t *j, *disk;

	assert_int_equal(parse(CMD_RUN, "-k k -m 1536 -c 2 -d \xff.img,ro -d fd:4 --console off --ready-fd 3", &c, &r), 0);
	text = options_json(&c);
	assert_non_null(text);
	j = json_loads(text, 0, NULL);
	free(text);
	assert_non_null(j);
	assert_int_equal(json_integer_value(json_object_get(j, "version")), 1);
	assert_string_equal(json_string_value(json_object_get(j, "kernel")), "k");
	assert_true(json_is_null(json_object_get(j, "initrd")));
	assert_int_equal(json_integer_value(json_object_get(j, "cpus")), 2);
	assert_string_equal(json_string_value(json_object_get(json_object_get(j, "memory"), "size")), "1536M");
	assert_string_equal(json_string_value(json_object_get(json_object_get(j, "console"), "kind")), "off");
	assert_string_equal(json_string_value(json_object_get(j, "on_reboot")), "exit");
	assert_int_equal(json_array_size(json_object_get(j, "disks")), 2);
	disk = json_array_get(json_object_get(j, "disks"), 0);
	assert_true(json_is_null(json_object_get(disk, "path")));
	assert_true(json_is_true(json_object_get(disk, "ro")));
	disk = json_array_get(json_object_get(j, "disks"), 1);
	assert_string_equal(json_string_value(json_object_get(disk, "path")), "fd:4");
	assert_null(json_object_get(j, "testdev"));
	json_decref(j);
	config_free(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_options_bad_line_names_the_option),
		cmocka_unit_test(test_options_devices_fill_the_configuration),
		cmocka_unit_test(test_options_good_line_fills_the_configuration),
		cmocka_unit_test(test_options_size_units),
		cmocka_unit_test(test_options_last_scalar_wins_and_lists_have_an_end),
		cmocka_unit_test(test_options_subcommands_take_their_own),
		cmocka_unit_test(test_options_help_lists_what_is_not_hidden),
		cmocka_unit_test(test_options_distance_known_pairs),
		cmocka_unit_test(test_options_json_holds_the_configuration),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
