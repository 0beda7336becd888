/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The page's fixed parts are texts of paragraphs with few marks, turned into roff by text(): at a line's beginning "# " a section, "$ " a command
 * line, "@ " an item's name, which the lines after it describe; an empty line ends a paragraph. Everything about options comes from the table.
 */
#include "vmm/manual.h"
#include "vmm/options.h"

static const char head[] =
	"# NAME\n"
	"nidus - boot a Linux kernel in a microVM on KVM\n"
	"# SYNOPSIS\n"
	"@ nidus run --kernel FILE [OPTION...]\n"
	"boots a guest\n"
	"@ nidus check [BDF...] [OPTION...]\n"
	"says what this host can do, and what to fix\n"
	"@ nidus bind BDF, nidus unbind BDF\n"
	"gives a PCI function to vfio-pci, and back to its driver\n"
	"@ nidus show WHAT [OPTION...]\n"
	"prints what a guest would see, without KVM\n"
	"@ nidus --help, nidus --version\n"
	"# DESCRIPTION\n"
	"nidus boots one kernel in one virtual machine and ends with it. It emulates no PC: a guest has virtio devices on PCI Express, ACPI tables, a "
	"serial port, and PCI functions of the host that were assigned to it. An IOMMU for the guest (--viommu) offers first-stage translation only: "
	"the guest's own page tables are what the host's IOMMU walks.\n"
	"\n"
	"The guest's console is stdout; stderr carries nidus's messages only. An error is one line that names the option.\n"
	"\n"
	"Values after the first are separated by commas; a comma inside a path is written twice. fd:N in place of a path is an inherited descriptor.\n";

static const struct {
	enum opt_cmd cmd;
	const char *title, *text;
} sections[] = {
	{ CMD_RUN, "OPTIONS OF RUN",
	  "On a terminal Ctrl-C goes to the guest; Ctrl-A X ends nidus, Ctrl-A Ctrl-A sends one Ctrl-A, Ctrl-A H reminds of the keys. The terminal gets its "
	  "modes back at every exit but SIGKILL; after that stty sane does it.\n" },
	{ CMD_SHOW, "OPTIONS OF SHOW",
	  "WHAT is one of acpi (every table), memmap (memory, registers, ports, interrupt lines), pci (functions and addresses), config (the options as "
	  "JSON), man (this page) and completion (for bash).\n" },
	{ CMD_CHECK, "OPTIONS OF CHECK",
	  "Without BDF it checks KVM by a tiny guest. With them it also says what stands in the way of assigning each function, and whether its IOMMU "
	  "can nest.\n" },
};

static const char tail[] =
	"# EXIT STATUS\n"
	"@ 0\n"
	"the guest powered off\n"
	"@ 1-63\n"
	"the guest's own: what it wrote to the status byte\n"
	"@ 64\n"
	"an option is malformed, out of range or contradicts another\n"
	"@ 65\n"
	"a file that was named is missing, of the wrong kind or in use\n"
	"@ 66\n"
	"the host cannot: KVM, permission, a limit. nidus check says what\n"
	"@ 70\n"
	"an error of nidus, or KVM gave up on the guest\n"
	"@ 77\n"
	"in place of 66, of nidus check --skip\n"
	"@ 80\n"
	"the guest panicked, or a CPU of it shut down (triple fault)\n"
	"@ 81\n"
	"the guest rebooted (--on-reboot exit)\n"
	"@ 82\n"
	"stopped from outside before the guest had powered off\n"
	"\n"
	"A guest sets its own status with byte 0x44 of the configuration space of 00:1e.0; it takes the place of 0 and 81 when the guest then powers off "
	"or reboots:\n"
	"$ printf '\\007' | dd of=/sys/bus/pci/devices/0000:00:1e.0/config bs=1 seek=68 conv=notrunc\n"
	"# SIGNALS\n"
	"SIGTERM, SIGINT and SIGHUP press the power button, and stop the guest after the time of --grace; a second one ends at once. "
	"SIGHUP that was ignored when nidus began, as under nohup, stays so.\n"
	"# FILES\n"
	"@ /dev/kvm\n"
	"needed by run; its group (kvm) may use it\n"
	"@ /dev/net/tun, /dev/vhost-net\n"
	"for --net; without the second the network is slower\n"
	"@ /dev/vhost-vsock\n"
	"for --vsock without uds=\n"
	"@ /dev/iommu, /dev/vfio/devices/vfioN\n"
	"for --vfio: a kernel with CONFIG_IOMMUFD and CONFIG_VFIO_DEVICE_CDEV\n"
	"# EXAMPLES\n"
	"A distribution's kernel with a disk:\n"
	"$ nidus run -k vmlinuz -i initrd.img -d disk.img -p \"root=/dev/vda ro\"\n"
	"A guest with four CPUs, a network card and sockets, its end as a report:\n"
	"$ nidus run -k vmlinuz -i initrd.img -c 4 -m 2G -n tap=tap0 --vsock cid=42 --report end.json\n"
	"An NVMe controller behind the guest's own IOMMU:\n"
	"$ nidus bind 0000:01:00.0\n"
	"$ nidus run -k bzImage --vfio 0000:01:00.0 --viommu vtd -p intel_iommu=on\n"
	"The ACPI tables of a guest, to be read with iasl -d:\n"
	"$ nidus show acpi --out tables -c 4\n"
	"# SEE ALSO\n"
	"kvm(4), lspci(8), ip-tuntap(8)\n";

/* Up to the line's end or the string's: roff's own characters made harmless, hyphens and quotes as they are typed. */
static void line(FILE *f, const char *s)
{
	/* A control character only at the beginning. */
	if (*s == '.')
		fputs("\\&", f);
	for (; *s && *s != '\n'; s++) {
		if (*s == '\\')
			fputs("\\e", f);
		else if (*s == '-')
			fputs("\\-", f);
		else if (*s == '\'')
			fputs("\\(aq", f);
		else if (*s == '"')
			fputs("\\(dq", f);
		else
			fputc(*s, f);
	}
	fputc('\n', f);
}

static void item(FILE *f, const char *s)
{
	fputs(".TP\n.B ", f);
	line(f, s);
}

static void text(FILE *f, const char *s)
{
	bool paragraph = false;

	for (; *s; s++) {
		switch (*s) {
		case '#':
			fputs(".SH ", f);
			line(f, s + 2);
			paragraph = false;
			break;
		case '@':
			item(f, s + 2);
			paragraph = false;
			break;
		case '$':
			fputs(".PP\n.in +4n\n.nf\n", f);
			line(f, s + 2);
			fputs(".fi\n.in\n", f);
			paragraph = true;
			break;
		case '\n':
			paragraph = true;
			break;
		default:
			if (paragraph)
				fputs(".PP\n", f);
			line(f, s);
			paragraph = false;
		}
		while (*s != '\n')
			s++;
	}
}

static void option(FILE *f, const struct opt *o)
{
	char arg[160], name[256];

	options_synopsis(o, arg, sizeof(arg));
	if (o->letter)
		snprintf(name, sizeof(name), "-%c, --%s%s%s", o->letter, o->name, *arg ? " " : "", arg);
	else
		snprintf(name, sizeof(name), "--%s%s%s", o->name, *arg ? " " : "", arg);
	item(f, name);
	line(f, o->help);
	if (o->alias) {
		snprintf(name, sizeof(name), "(also --%s)", o->alias);
		line(f, name);
	}
}

/* Those that run has too are only named. */
static void options(FILE *f, enum opt_cmd cmd)
{
	const char *sep = ".PP\nAs those of run:";

	for (unsigned i = 0; cmd != CMD_RUN && i < options_n_rows; i++) {
		const struct opt *o = &options_rows[i];

		if ((o->cmds & cmd) && (o->cmds & CMD_RUN) && !o->hidden) {
			fprintf(f, "%s\n.B \\-\\-", sep);
			for (const char *s = o->name; *s; s++)
				fprintf(f, *s == '-' ? "\\-" : "%c", *s);
			sep = "";
		}
	}
	fputs(cmd == CMD_RUN ? "" : "\n", f);
	for (unsigned i = 0; i < options_n_rows; i++) {
		const struct opt *o = &options_rows[i];

		if ((o->cmds & cmd) && !o->hidden && (cmd == CMD_RUN || !(o->cmds & CMD_RUN)))
			option(f, o);
	}
}

void manual_print(FILE *f)
{
	fputs(".TH NIDUS 1 \"\" \"nidus " NIDUS_VERSION "\" \"User commands\"\n", f);
	/* No hyphenation of option names, no stretched lines. */
	fputs(".nh\n.ad l\n", f);
	text(f, head);
	for (unsigned i = 0; i < ARRAY_SIZE(sections); i++) {
		fprintf(f, ".SH %s\n", sections[i].title);
		text(f, sections[i].text);
		options(f, sections[i].cmd);
	}
	text(f, tail);
}
