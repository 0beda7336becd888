/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration of one VM: what the command line and the JSON configuration fill in and everything else reads.
 * The options themselves are one table, vmm/options_rows.c.
 * Strings are owned by the configuration (config_free). A path may be "fd:N"; config.c turns that into the fd field and leaves path for messages.
 */
#ifndef NIDUS_CONFIG_H
#define NIDUS_CONFIG_H

#include "vmm/bits.h"

#define CONFIG_MAX_CPUS 64
#define CONFIG_MAX_DISKS 14
#define CONFIG_MAX_NETS 8
#define CONFIG_MAX_VFIO 8

enum tristate { UNSET = 0, OFF, ON };
enum arch { ARCH_X86_64, ARCH_ARM64 };
enum viommu_kind { VIOMMU_OFF, VIOMMU_AUTO, VIOMMU_VTD, VIOMMU_AMDVI, VIOMMU_SMMUV3 };
enum console_kind { CONSOLE_STDIO, CONSOLE_FILE, CONSOLE_PTY, CONSOLE_OFF };

struct file_cfg {
	char *path; /* NULL: not given */
	int fd;     /* inherited descriptor, else -1 */
};

struct disk_cfg {
	struct file_cfg file;
	char *id;
	bool ro;
	unsigned queues; /* 0: one per vCPU, at most 4 */
	enum tristate viommu;
	u64 bps;         /* bytes per second; 0: no limit */
	unsigned iops;   /* 0: no limit */
};

struct net_cfg {
	struct file_cfg tap;
	char *id;
	u8 mac[6];
	bool mac_set;
	unsigned queues;
	enum tristate viommu;
	u64 bps;         /* bytes per second, each way; 0: no limit */
	unsigned pps;    /* packets per second, each way; 0: no limit */
};

struct vfio_cfg {
	char *bdf;           /* dddd:bb:dd.f */
	struct file_cfg dev; /* its device file, inherited; fd < 0: opened by name */
	char *id;
	enum tristate viommu, p2p;
};

struct console_cfg {
	enum console_kind kind;
	struct file_cfg file;
	bool hvc; /* virtio-console instead of the UART */
};

struct vm_config {
	enum arch arch;
	struct file_cfg kernel, initrd;
	char *cmdline;
	bool raw_cmdline;
	unsigned cpus;
	u64 mem_bytes;
	bool hugepages;
	struct disk_cfg disks[CONFIG_MAX_DISKS];
	unsigned n_disks;
	struct net_cfg nets[CONFIG_MAX_NETS];
	unsigned n_nets;
	struct vfio_cfg vfios[CONFIG_MAX_VFIO];
	unsigned n_vfios;
	bool vsock;
	u32 vsock_cid;
	char *vsock_uds;
	bool rng;
	bool balloon;
	u64 balloon_bytes; /* to take from the guest at its start */
	bool testdev;
	struct console_cfg console;
	enum viommu_kind viommu;
	bool reboot_reset;
	unsigned grace_s;
	char *report;
	int ready_fd; /* -1: none */
	int kvm_fd, iommufd_fd; /* -1: open the device node */
	bool acpi;
	unsigned log_level;     /* enum log_level */
	u64 start_ns;           /* CLOCK_MONOTONIC when main() began; 0: not known */
	/* Of other subcommands than run. */
	char *out_dir;          /* show --out */
	bool json, skip;        /* check */
};

#define CONFIG_MIN_MEM MiB(16)
#define CONFIG_MAX_MEM GiB(16384)

/* Exit statuses (README lists them). */
enum {
	EXIT_OK = 0,
	EXIT_USAGE = 64,
	EXIT_NOINPUT = 65,
	EXIT_HOST = 66,
	EXIT_SANDBOX = 67,
	EXIT_INTERNAL = 70,
	EXIT_SKIP = 77,
	EXIT_PANIC = 80,
	EXIT_REBOOT = 81,
	EXIT_STOPPED = 82,
};

/* Defaults: 1 CPU, 512 MiB, virtio-rng on, console on stdio, no descriptor inherited. */
void config_init(struct vm_config *c);
void config_free(struct vm_config *c);

/*
 * Parses the options of run (argv[0] is the first option) into a configuration that config_init() made. 0, or an exit status after one
 * log_error line. *help is set if --help was given. options_parse() is the same for any subcommand, and does not log.
 */
int config_parse(struct vm_config *c, int argc, char **argv, bool *help) __must_check;
/* What run needs beside well-formed options: a kernel, no contradiction, open descriptors. Same result as config_parse(). */
int config_check(const struct vm_config *c) __must_check;

/*
 * The guest's command line: the user's, and before it console=, panic=-1 and reboot=panic_warm where the user gave none of that kind, unless raw.
 * *out is the caller's to free(). -ENOMEM.
 */
int config_cmdline(const struct vm_config *c, char **out) __must_check;

/* The whole configuration as JSON text, "version": 1, for show config; free() it. NULL: no memory. */
char *config_json(const struct vm_config *c);

#endif
