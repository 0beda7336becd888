/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The subcommands. The only file that ends the process.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "vmm/bind.h"
#include "vmm/check.h"
#include "vmm/config.h"
#include "vmm/host_pci.h"
#include "vmm/log.h"
#include "vmm/options.h"
#include "vmm/report.h"
#include "vmm/show.h"
#include "vmm/vm.h"

static const char usage[] =
	"usage: nidus run --kernel FILE [OPTION...]                        boot a guest\n"
	"       nidus check [BDF...] [--json] [--skip]                     what this host can do, and what to fix\n"
	"       nidus bind|unbind BDF                                      give a PCI function to vfio-pci, and back\n"
	"       nidus show acpi|memmap|pci|config [--out DIR] [OPTION...]  what the guest would see, without KVM\n"
	"       nidus show man|completion                                  the manual page, and completion for bash\n"
	"       nidus run|check|show --help, nidus --help, nidus --version\n";

static const struct {
	const char *name;
	enum opt_cmd cmd;
} commands[] = {
	{ "run", CMD_RUN }, { "show", CMD_SHOW }, { "check", CMD_CHECK },
};

static int help_all(void)
{
	printf("%s", usage);
	for (unsigned i = 0; i < ARRAY_SIZE(commands); i++) {
		printf("\noptions of %s:\n", commands[i].name);
		options_help(stdout, commands[i].cmd);
	}
	return EXIT_OK;
}

static int run(const struct vm_config *c)
{
	int rc = config_check(c);

	return rc ? rc : vm_run(c);
}

/* The functions that check is asked about, before its options. They stand where --vfio would put them. 0 or an exit status. */
static int check_functions(struct vm_config *c, int *argc, char ***argv)
{
	for (; *argc && **argv[0] != '-'; (*argc)--, (*argv)++) {
		struct vfio_cfg *v = &c->vfios[c->n_vfios];
		char bdf[HOST_BDF_LEN];

		if (c->n_vfios == CONFIG_MAX_VFIO || host_pci_parse(**argv, bdf)) {
			log_error("check: '%s' is no PCI address, or one too many: [DOMAIN:]BUS:DEVICE.FUNCTION, at most %u", **argv, CONFIG_MAX_VFIO);
			return EXIT_USAGE;
		}
		*v = (struct vfio_cfg){ .bdf = strdup(bdf), .dev.fd = -1 };
		if (!v->bdf)
			return EXIT_HOST;
		c->n_vfios++;
	}
	return 0;
}

/* argv[0] is the subcommand. */
static int command(enum opt_cmd cmd, struct vm_config *c, int argc, char **argv)
{
	const char *what = "";
	struct opt_result r;
	int rc = 0;

	argc--;
	argv++;
	if (cmd == CMD_CHECK)
		rc = check_functions(c, &argc, &argv);
	if (rc)
		return rc;
	if (cmd == CMD_SHOW && argc && argv[0][0] != '-') {
		what = *argv++;
		argc--;
	}
	rc = options_parse(cmd, c, argc, argv, &r);
	if (rc) {
		log_error("%s", r.error);
		return rc;
	}
	if (r.help) {
		options_help(stdout, cmd);
		return EXIT_OK;
	}
	log_set_level((enum log_level)c->log_level);
	switch (cmd) {
	case CMD_RUN:
		return run(c);
	case CMD_SHOW:
		return show_main(what, c, c->out_dir);
	case CMD_CHECK:
		return check_main(c, stdout);
	}
	return EXIT_INTERNAL;
}

static int bind_command(int argc, char **argv)
{
	if (argc != 2) {
		log_error("%s: one PCI address is needed: nidus %s BDF", argv[0], argv[0]);
		return EXIT_USAGE;
	}
	return strcmp(argv[0], "bind") == 0 ? bind_main(HOST_SYS, argv[1]) : unbind_main(HOST_SYS, argv[1]);
}

static int dispatch(struct vm_config *c, int argc, char **argv)
{
	if (argc >= 2) {
		for (unsigned i = 0; i < ARRAY_SIZE(commands); i++) {
			if (strcmp(argv[1], commands[i].name) == 0)
				return command(commands[i].cmd, c, argc - 1, argv + 1);
		}
		if (strcmp(argv[1], "bind") == 0 || strcmp(argv[1], "unbind") == 0)
			return bind_command(argc - 1, argv + 1);
		if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0)
			return help_all();
		if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "version") == 0) {
			puts("nidus " NIDUS_VERSION);
			return EXIT_OK;
		}
		log_error("unknown command '%s', it is one of run, check, bind, unbind and show", argv[1]);
		return EXIT_USAGE;
	}
	fputs(usage, stderr);
	return EXIT_USAGE;
}

/* What nidus opens must not become the stdin, stdout or stderr that somebody closed. */
static int fill_standard_fds(void)
{
	for (int fd = 0; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
			return EXIT_HOST;
	}
	return 0;
}

int main(int argc, char **argv)
{
	u64 start_ns = report_now_ns();
	struct vm_config c;
	int rc = fill_standard_fds();

	if (rc)
		return rc;
	config_init(&c);
	c.start_ns = start_ns;
	rc = dispatch(&c, argc, argv);
	config_free(&c);
	/* A full disk under stdout is no success. */
	if (fflush(stdout) && rc == EXIT_OK) {
		log_error("stdout: %s", strerror(errno));
		rc = EXIT_HOST;
	}
	return rc;
}
