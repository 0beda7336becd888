/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/utsname.h>

#include "vmm/config.h"
#include "vmm/log.h"
#include "vmm/options.h"

static enum arch host_arch(void)
{
	struct utsname u;

	return uname(&u) == 0 && strcmp(u.machine, "aarch64") == 0 ? ARCH_ARM64 : ARCH_X86_64;
}

void config_init(struct vm_config *c)
{
	memset(c, 0, sizeof(*c));
	c->arch = host_arch();
	c->cpus = 1;
	c->mem_bytes = MiB(512);
	c->rng = true;
	c->grace_s = 10;
	c->log_level = LOG_WARN;
	c->kernel.fd = c->initrd.fd = c->console.file.fd = -1;
	c->ready_fd = c->kvm_fd = c->iommufd_fd = -1;
	for (unsigned i = 0; i < CONFIG_MAX_DISKS; i++)
		c->disks[i].file.fd = -1;
	for (unsigned i = 0; i < CONFIG_MAX_NETS; i++)
		c->nets[i].tap.fd = -1;
	for (unsigned i = 0; i < CONFIG_MAX_VFIO; i++)
		c->vfios[i].dev.fd = -1;
}

/* All of each list, not only what is counted: a bad option leaves a half-filled element behind the last. */
void config_free(struct vm_config *c)
{
	for (unsigned i = 0; i < CONFIG_MAX_DISKS; i++) {
		free(c->disks[i].file.path);
		free(c->disks[i].id);
	}
	for (unsigned i = 0; i < CONFIG_MAX_NETS; i++) {
		free(c->nets[i].tap.path);
		free(c->nets[i].id);
	}
	for (unsigned i = 0; i < CONFIG_MAX_VFIO; i++) {
		free(c->vfios[i].bdf);
		free(c->vfios[i].dev.path);
		free(c->vfios[i].id);
	}
	free(c->kernel.path);
	free(c->initrd.path);
	free(c->cmdline);
	free(c->console.file.path);
	free(c->vsock_uds);
	free(c->report);
	free(c->out_dir);
	config_init(c);
}

int config_parse(struct vm_config *c, int argc, char **argv, bool *help)
{
	struct opt_result r;
	int rc = options_parse(CMD_RUN, c, argc, argv, &r);

	*help = r.help;
	if (rc)
		log_error("%s", r.error);
	return rc;
}

static int check_fd(const char *name, int fd)
{
	if (fd < 0 || fcntl(fd, F_GETFD) >= 0)
		return 0;
	log_error("--%s: descriptor %d is not open: start nidus with it inherited", name, fd);
	return EXIT_NOINPUT;
}

/* A device behind a unit needs a unit. */
static int check_viommu(const struct vm_config *c)
{
	const char *id = NULL;

	for (unsigned i = 0; i < c->n_disks; i++)
		id = c->disks[i].viommu == ON ? c->disks[i].id : id;
	for (unsigned i = 0; i < c->n_nets; i++)
		id = c->nets[i].viommu == ON ? c->nets[i].id : id;
	for (unsigned i = 0; i < c->n_vfios; i++)
		id = c->vfios[i].viommu == ON ? c->vfios[i].id : id;
	if (!id || c->viommu != VIOMMU_OFF)
		return 0;
	log_error("viommu=on for %s: there is no IOMMU to be behind: add --viommu auto", id);
	return EXIT_USAGE;
}

/* Of one kind they differ by their option already; messages and the report know devices by nothing else. */
static int check_ids(const struct vm_config *c)
{
	const char *id[CONFIG_MAX_DISKS + CONFIG_MAX_NETS + CONFIG_MAX_VFIO];
	unsigned n = 0;

	for (unsigned i = 0; i < c->n_disks; i++)
		id[n++] = c->disks[i].id;
	for (unsigned i = 0; i < c->n_nets; i++)
		id[n++] = c->nets[i].id;
	for (unsigned i = 0; i < c->n_vfios; i++)
		id[n++] = c->vfios[i].id;
	for (unsigned i = 0; i < n; i++) {
		for (unsigned k = 0; k < i; k++) {
			if (!id[i] || !id[k] || strcmp(id[i], id[k]) != 0)
				continue;
			log_error("id=%s: two devices have that id: give one of them another", id[i]);
			return EXIT_USAGE;
		}
	}
	return 0;
}

int config_check(const struct vm_config *c)
{
	int rc;

	if (!c->kernel.path) {
		log_error("--kernel FILE is needed: the kernel to boot");
		return EXIT_USAGE;
	}
	if (c->console.kind == CONSOLE_FILE && !c->console.file.path) {
		log_error("--console: a file needs its path: file=PATH");
		return EXIT_USAGE;
	}
	if (c->balloon_bytes >= c->mem_bytes) {
		log_error("--balloon: the target is all of the guest's RAM or more: give less than --memory");
		return EXIT_USAGE;
	}
	rc = check_ids(c);
	if (!rc)
		rc = check_viommu(c);
	if (rc)
		return rc;
	if (c->balloon && c->n_vfios) {
		log_error("--balloon: not together with --vfio: an assigned device pins all of RAM");
		return EXIT_USAGE;
	}
	rc = check_fd("ready-fd", c->ready_fd);
	if (!rc)
		rc = check_fd("kvm", c->kvm_fd);
	if (!rc)
		rc = check_fd("iommufd", c->iommufd_fd);
	return rc;
}

/* True if a parameter NAME= stands in the kernel's part of the line: before "--", which starts what belongs to init. */
static bool has_param(const char *line, const char *name)
{
	size_t len = strlen(name);
	bool quoted = false;

	while (*line) {
		const char *word;

		while (*line == ' ' || *line == '\t' || *line == '\n')
			line++;
		word = line;
		for (; *line && (quoted || (*line != ' ' && *line != '\t' && *line != '\n')); line++)
			quoted ^= *line == '"';
		if (line - word == 2 && word[0] == '-' && word[1] == '-')
			return false;
		word += *word == '"';
		if ((size_t)(line - word) > len && strncmp(word, name, len) == 0 && word[len] == '=')
			return true;
	}
	return false;
}

static const char *console_param(const struct vm_config *c)
{
	if (c->console.hvc)
		return "console=hvc0";
	if (c->console.kind == CONSOLE_OFF)
		return NULL;
	return c->arch == ARCH_ARM64 ? "console=ttyAMA0" : "console=ttyS0";
}

/* Additions stand first: what the user says later wins, and nothing lands behind a "--". */
int config_cmdline(const struct vm_config *c, char **out)
{
	const char *user = c->cmdline ? c->cmdline : "", *console = console_param(c);
	bool con = !c->raw_cmdline && console && !has_param(user, "console");
	bool panic = !c->raw_cmdline && !has_param(user, "panic");
	bool reboot = !c->raw_cmdline && !has_param(user, "reboot");
	size_t len;
	char *s;

	if (asprintf(&s, "%s%s%s%s%s", con ? console : "", con ? " " : "", panic ? "panic=-1 " : "", reboot ? "reboot=panic_warm " : "", user) < 0)
		return -ENOMEM;
	len = strlen(s);
	if (!*user && len)
		s[len - 1] = 0;
	*out = s;
	return 0;
}

char *config_json(const struct vm_config *c)
{
	return options_json(c);
}
