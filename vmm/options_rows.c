/* SPDX-License-Identifier: Apache-2.0 */
/* The options themselves. A new one: its keys, its row, and the line in README.md that a test then asks for. */
#include <limits.h>
#include <stdlib.h>

#include "vmm/host_pci.h"
#include "vmm/option_values.h"
#include "vmm/options.h"

#define RATE_LIMIT GiB(1024)

static const char *const choices_level[] = { "error", "warn", "info", "debug", "trace", NULL };
static const char *const choices_reboot[] = { "exit", "reset", NULL };
static const char *const choices_console[] = { "stdio", "", "pty", "off", NULL };
static const char *const choices_tristate[] = { "", "off", "on", NULL };
static const char *const choices_viommu[] = { "off", "auto", "vtd", "amdvi", NULL };
static const char *const choices_arch[] = { "x86_64", "arm64", NULL };

#define IN_CONFIG(f) .off = offsetof(struct vm_config, f)
#define KEYS(k) .keys = k, .n_keys = ARRAY_SIZE(k)

static const struct opt_key keys_kernel[] = { { "file", "FILE", OPT_FILE, .bare = true, IN_CONFIG(kernel) } };
static const struct opt_key keys_initrd[] = { { "file", "FILE", OPT_FILE, .bare = true, IN_CONFIG(initrd) } };
static const struct opt_key keys_cmdline[] = { { "text", "TEXT", OPT_STR, .bare = true, IN_CONFIG(cmdline) } };
static const struct opt_key keys_raw[] = { { "on", NULL, OPT_FLAG, .bare = true, IN_CONFIG(raw_cmdline) } };
static const struct opt_key keys_cpus[] = {
	{ "count", "N", OPT_UINT, .bare = true, IN_CONFIG(cpus), .min = 1, .max = CONFIG_MAX_CPUS },
};
static const struct opt_key keys_memory[] = {
	{ "size", "SIZE", OPT_SIZE, .bare = true, IN_CONFIG(mem_bytes), .min = CONFIG_MIN_MEM, .max = CONFIG_MAX_MEM },
	{ "hugepages", "on|off", OPT_ONOFF, IN_CONFIG(hugepages) },
};
static const struct opt_key keys_disk[] = {
	{ "path", "PATH", OPT_FILE, .bare = true, .off = offsetof(struct disk_cfg, file) },
	{ "ro", NULL, OPT_FLAG, .off = offsetof(struct disk_cfg, ro) },
	{ "id", "ID", OPT_ID, .off = offsetof(struct disk_cfg, id) },
	{ "queues", "N", OPT_UINT, .off = offsetof(struct disk_cfg, queues), .min = 1, .max = CONFIG_MAX_CPUS },
	{ "bps", "SIZE", OPT_SIZE, .off = offsetof(struct disk_cfg, bps), .min = KiB(1), .max = RATE_LIMIT },
	{ "iops", "N", OPT_UINT, .off = offsetof(struct disk_cfg, iops), .min = 1, .max = UINT32_MAX },
	{ "viommu", "on|off", OPT_CHOICE, .size = 4, .off = offsetof(struct disk_cfg, viommu), .choices = choices_tristate },
};
static const struct opt_key keys_net[] = {
	{ "tap", "IF", OPT_FILE, .off = offsetof(struct net_cfg, tap) },
	{ "mac", "MAC", OPT_MAC, .off = offsetof(struct net_cfg, mac) },
	{ "id", "ID", OPT_ID, .off = offsetof(struct net_cfg, id) },
	{ "queues", "N", OPT_UINT, .off = offsetof(struct net_cfg, queues), .min = 1, .max = 16 },
	{ "bps", "SIZE", OPT_SIZE, .off = offsetof(struct net_cfg, bps), .min = KiB(1), .max = RATE_LIMIT },
	{ "pps", "N", OPT_UINT, .off = offsetof(struct net_cfg, pps), .min = 1, .max = UINT32_MAX },
	{ "viommu", "on|off", OPT_CHOICE, .size = 4, .off = offsetof(struct net_cfg, viommu), .choices = choices_tristate },
};
static const struct opt_key keys_vfio[] = {
	{ "device", "BDF", OPT_FILE, .bare = true, .off = offsetof(struct vfio_cfg, dev) },
	{ "bdf", "BDF", OPT_STR, .off = offsetof(struct vfio_cfg, bdf) },
	{ "id", "ID", OPT_ID, .off = offsetof(struct vfio_cfg, id) },
	{ "viommu", "on|off", OPT_CHOICE, .size = 4, .off = offsetof(struct vfio_cfg, viommu), .choices = choices_tristate },
	{ "p2p", "on|off", OPT_CHOICE, .size = 4, .off = offsetof(struct vfio_cfg, p2p), .choices = choices_tristate },
};
static const struct opt_key keys_viommu[] = {
	{ "kind", "off|auto|vtd|amdvi", OPT_CHOICE, .bare = true, .size = 4, IN_CONFIG(viommu), .choices = choices_viommu },
};
static const struct opt_key keys_vsock[] = {
	{ "cid", "N", OPT_UINT, IN_CONFIG(vsock_cid), .min = 3, .max = UINT32_MAX - 1 },
	{ "uds", "PATH", OPT_STR, IN_CONFIG(vsock_uds) },
};
static const struct opt_key keys_balloon[] = {
	{ "enabled", "on|off", OPT_ONOFF, .bare = true, IN_CONFIG(balloon) },
	{ "target", "SIZE", OPT_SIZE, IN_CONFIG(balloon_bytes), .min = KiB(4), .max = CONFIG_MAX_MEM },
};
static const struct opt_key keys_rng[] = { { "on", "on|off", OPT_ONOFF, .bare = true, IN_CONFIG(rng) } };
static const struct opt_key keys_console[] = {
	{ "kind", "KIND", OPT_CHOICE, .bare = true, .size = 4, .off = offsetof(struct console_cfg, kind), .choices = choices_console },
	{ "file", "PATH", OPT_FILE, .off = offsetof(struct console_cfg, file) },
	{ "hvc", NULL, OPT_FLAG, .off = offsetof(struct console_cfg, hvc) },
};
static const struct opt_key keys_reboot[] = {
	{ "action", "exit|reset", OPT_CHOICE, .bare = true, .size = 1, IN_CONFIG(reboot_reset), .choices = choices_reboot },
};
static const struct opt_key keys_grace[] = {
	{ "seconds", "SECONDS", OPT_UINT, .bare = true, IN_CONFIG(grace_s), .max = 86400 },
};
static const struct opt_key keys_report[] = { { "file", "FILE", OPT_STR, .bare = true, IN_CONFIG(report) } };
static const struct opt_key keys_ready[] = { { "fd", "N", OPT_FD, .bare = true, IN_CONFIG(ready_fd) } };
static const struct opt_key keys_kvm[] = { { "fd", "fd:N", OPT_FD, .bare = true, IN_CONFIG(kvm_fd) } };
static const struct opt_key keys_iommufd[] = { { "fd", "fd:N", OPT_FD, .bare = true, IN_CONFIG(iommufd_fd) } };
static const struct opt_key keys_log[] = {
	{ "level", "LEVEL", OPT_CHOICE, .bare = true, .size = 4, IN_CONFIG(log_level), .choices = choices_level },
};
static const struct opt_key keys_testdev[] = { { "on", NULL, OPT_FLAG, .bare = true, IN_CONFIG(testdev) } };
static const struct opt_key keys_arch[] = {
	{ "arch", "ARCH", OPT_CHOICE, .bare = true, .size = 4, IN_CONFIG(arch), .choices = choices_arch },
};
static const struct opt_key keys_out[] = { { "dir", "DIR", OPT_STR, .bare = true, IN_CONFIG(out_dir) } };
static const struct opt_key keys_json[] = { { "on", NULL, OPT_FLAG, .bare = true, IN_CONFIG(json) } };
static const struct opt_key keys_skip[] = { { "on", NULL, OPT_FLAG, .bare = true, IN_CONFIG(skip) } };

/*
 * Elements of a list have an id each, elem bytes apart, n before this one. Without one it gets the first free of NAME0, NAME1, ... NULL, or what
 * is wrong.
 */
static const char *unique_id(char *const *ids, size_t elem, unsigned n, char **id, const char *name)
{
	char buf[16];
	unsigned i, k = 0;

	do {
		snprintf(buf, sizeof(buf), "%s%u", name, k++);
		for (i = 0; i < n; i++) {
			char *other = *(char *const *)(const void *)((const char *)ids + i * elem);

			if (other && strcmp(other, *id ? *id : buf) == 0)
				break;
		}
		if (*id)
			return i < n ? "another one has that id" : NULL;
	} while (i < n);
	*id = strdup(buf);
	return *id ? NULL : "out of memory";
}

static const char *disk_done(struct vm_config *c, void *obj)
{
	struct disk_cfg *d = obj;

	return d->file.path ? unique_id(&c->disks[0].id, sizeof(*d), c->n_disks, &d->id, "disk") : "needs a path";
}

static const char *net_done(struct vm_config *c, void *obj)
{
	struct net_cfg *n = obj;

	if (!n->tap.path)
		return "needs a tap interface: tap=IF or tap=fd:N";
	n->mac_set = n->mac[0] | n->mac[1] | n->mac[2] | n->mac[3] | n->mac[4] | n->mac[5];
	return unique_id(&c->nets[0].id, sizeof(*n), c->n_nets, &n->id, "net");
}

/* The BDF in its long form, so that everything else can compare and print it. An address given first is no file after all. */
static const char *vfio_done(struct vm_config *c, void *obj)
{
	struct vfio_cfg *v = obj;
	char bdf[HOST_BDF_LEN];

	if (v->dev.path && v->dev.fd < 0) {
		if (v->bdf)
			return "two PCI addresses, or a path: give BDF, or fd:N,bdf=BDF";
		v->bdf = v->dev.path;
		v->dev.path = NULL;
	}
	if (v->dev.path && !v->bdf)
		return "a descriptor needs the address of its function: fd:N,bdf=BDF";
	if (!v->bdf || host_pci_parse(v->bdf, bdf))
		return "needs a PCI address: [DOMAIN:]BUS:DEVICE.FUNCTION, such as 0000:01:00.0 (lspci -D lists them)";
	for (unsigned i = 0; i < c->n_vfios; i++) {
		if (strcmp(c->vfios[i].bdf, bdf) == 0)
			return "this function is given twice";
	}
	free(v->bdf);
	v->bdf = strdup(bdf);
	return v->bdf ? unique_id(&c->vfios[0].id, sizeof(*v), c->n_vfios, &v->id, "vfio") : "out of memory";
}

static const char *vsock_done(struct vm_config *c, void *obj)
{
	c->vsock = true;
	if (c->vsock_uds && !*c->vsock_uds)
		return "uds= needs a path";
	return c->vsock_cid ? NULL : "needs the guest's context id: cid=N, 3 or more";
}

static const char *balloon_done(struct vm_config *c, void *obj)
{
	c->balloon |= c->balloon_bytes != 0;
	return NULL;
}

static const char *console_done(struct vm_config *c, void *obj)
{
	struct console_cfg *con = obj;

	if (con->file.path && con->kind != CONSOLE_STDIO && con->kind != CONSOLE_FILE)
		return "takes one of stdio, file=PATH, pty and off";
	if (con->file.path)
		con->kind = CONSOLE_FILE;
	if (con->hvc && con->kind == CONSOLE_OFF)
		return "off leaves no hvc either";
	return NULL;
}

static const char *memory_done(struct vm_config *c, void *obj)
{
	if (!IS_ALIGNED(c->mem_bytes, c->hugepages ? MiB(2) : KiB(4)))
		return c->hugepages ? "with hugepages=on the size must be a multiple of 2M" : "the size must be a multiple of 4K";
	return NULL;
}

static const char *report_done(struct vm_config *c, void *obj)
{
	u64 fd;

	if (!*c->report)
		return "needs a path, or fd:N";
	if (strncmp(c->report, "fd:", 3) == 0 && (!option_parse_number(c->report + 3, &fd) || fd > INT_MAX))
		return "fd:N is an inherited descriptor, N its number";
	return NULL;
}

static const char *out_done(struct vm_config *c, void *obj)
{
	return *c->out_dir ? NULL : "needs a folder";
}

#define GUEST (CMD_RUN | CMD_SHOW)
#define ANY (CMD_RUN | CMD_SHOW | CMD_CHECK)

const struct opt options_rows[] = {
	{ "kernel", NULL, 'k', GUEST, .json = "kernel", KEYS(keys_kernel), .help = "kernel to boot: bzImage or ELF vmlinux" },
	{ "initrd", "initramfs", 'i', GUEST, .json = "initrd", KEYS(keys_initrd), .help = "initial RAM disk" },
	{ "cmdline", "append", 'p', GUEST, .json = "cmdline", KEYS(keys_cmdline),
	  .help = "kernel command line; console=, panic=-1 and reboot=panic_warm are added where it has none" },
	{ "raw-cmdline", NULL, 0, GUEST, .json = "raw_cmdline", KEYS(keys_raw), .help = "add nothing to the command line" },
	{ "cpus", NULL, 'c', GUEST, .json = "cpus", KEYS(keys_cpus), .help = "virtual CPUs, 1 to 64 (1)" },
	{ "memory", NULL, 'm', ANY, .json = "memory", KEYS(keys_memory), .done = memory_done,
	  .help = "guest RAM, at least 16M; a number without K, M or G is in MiB (512M)" },
	{ "disk", NULL, 'd', GUEST, .json = "disks", KEYS(keys_disk), .done = disk_done, IN_CONFIG(disks), .elem = sizeof(struct disk_cfg),
	  .count_off = offsetof(struct vm_config, n_disks), .max = CONFIG_MAX_DISKS,
	  .help = "raw disk image or block device; repeatable; bps, iops: bytes and requests per second at most" },
	{ "net", NULL, 'n', GUEST, .json = "nets", KEYS(keys_net), .done = net_done, IN_CONFIG(nets), .elem = sizeof(struct net_cfg),
	  .count_off = offsetof(struct vm_config, n_nets), .max = CONFIG_MAX_NETS,
	  .arg = "tap=IF[,mac=MAC][,id=ID][,queues=N][,bps=SIZE][,pps=N][,viommu=on|off]",
	  .help = "network card on a tap interface, made if absent; repeatable; bps, pps: bytes and packets per second at most, each way" },
	{ "vfio", NULL, 0, GUEST, .json = "vfios", KEYS(keys_vfio), .done = vfio_done, IN_CONFIG(vfios), .elem = sizeof(struct vfio_cfg),
	  .count_off = offsetof(struct vm_config, n_vfios), .max = CONFIG_MAX_VFIO, .arg = "BDF|fd:N,bdf=BDF[,id=ID][,viommu=on|off][,p2p=on|off]",
	  .help = "PCI function of the host, bound to vfio-pci (nidus bind BDF); repeatable; behind the IOMMU, if there is one, but for viommu=off; "
		  "p2p: its memory can be reached by the other ones" },
	{ "viommu", NULL, 0, GUEST, .json = "viommu", KEYS(keys_viommu),
	  .help = "IOMMU for devices with viommu=on and assigned ones (off): Intel's or AMD's, first-stage translation only; auto takes what fits" },
	{ "vsock", NULL, 0, GUEST, .json = "vsock", KEYS(keys_vsock), .done = vsock_done, .arg = "cid=N[,uds=PATH]",
	  .help = "sockets between guest and host; with uds= as Unix sockets: CONNECT PORT on PATH, the guest's to P arrive at PATH_P" },
	{ "balloon", NULL, 0, GUEST, .json = "balloon", KEYS(keys_balloon), .done = balloon_done,
	  .help = "give free guest memory back to the host (off); target: RAM to take from the guest until it runs short" },
	{ "rng", NULL, 0, GUEST, .json = "rng", KEYS(keys_rng), .help = "virtio entropy device (on)" },
	{ "console", NULL, 0, GUEST, .json = "console", KEYS(keys_console), .done = console_done, IN_CONFIG(console),
	  .arg = "[hvc:]stdio|file=PATH|pty|off", .prefix = "hvc:", .prefix_off = offsetof(struct console_cfg, hvc),
	  .help = "where the serial port, or with hvc: the virtio console goes (stdio); on a terminal Ctrl-A X ends nidus, Ctrl-A H helps" },
	{ "on-reboot", NULL, 0, GUEST, .json = "on_reboot", KEYS(keys_reboot), .help = "end with status 81, or boot again (exit)" },
	{ "grace", NULL, 0, GUEST, .json = "grace", KEYS(keys_grace),
	  .help = "after SIGTERM the power button is pressed; how long the guest then has (10)" },
	{ "report", NULL, 0, CMD_RUN, KEYS(keys_report), .done = report_done, .help = "write one JSON object about the run at its end" },
	{ "ready-fd", NULL, 0, CMD_RUN, KEYS(keys_ready), .help = "write one JSON line to this descriptor when the first CPU runs" },
	{ "kvm", NULL, 0, CMD_RUN | CMD_CHECK, KEYS(keys_kvm), .help = "use an inherited descriptor of /dev/kvm" },
	{ "iommufd", NULL, 0, CMD_RUN, KEYS(keys_iommufd), .help = "use an inherited descriptor of /dev/iommu" },
	{ "log", NULL, 0, ANY, KEYS(keys_log), .help = "messages to show: error, warn, info, debug or trace (warn)" },
	{ "arch", NULL, 0, CMD_SHOW, KEYS(keys_arch), .help = "architecture of the guest: x86_64 or arm64 (this machine's)" },
	{ "out", NULL, 0, CMD_SHOW, KEYS(keys_out), .done = out_done, .help = "write files into this folder instead of printing" },
	{ "json", NULL, 0, CMD_CHECK, KEYS(keys_json), .help = "one JSON object instead of lines" },
	{ "skip", NULL, 0, CMD_CHECK, KEYS(keys_skip), .help = "exit status 77 instead of 66, for test harnesses" },
	{ "testdev", NULL, 0, GUEST, .hidden = true, KEYS(keys_testdev), .help = "device for nidus's own tests" },
	{ "help", NULL, 'h', ANY, .help = "this text" },
};

const unsigned options_n_rows = ARRAY_SIZE(options_rows);
