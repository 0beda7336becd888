/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/bind.h"

#include <errno.h>

#include "vmm/config.h"
#include "vmm/host_pci.h"
#include "vmm/log.h"

static int look(const char *sys, const char *text, struct host_pci *p)
{
	char bdf[HOST_BDF_LEN];

	if (host_pci_parse(text, bdf)) {
		log_error("'%s' is no PCI address: [DOMAIN:]BUS:DEVICE.FUNCTION, such as 0000:01:00.0 (lspci -D lists them)", text);
		return EXIT_USAGE;
	}
	if (host_pci_read(sys, bdf, p)) {
		log_error("%s: there is no such PCI function (lspci -D lists them)", bdf);
		return EXIT_NOINPUT;
	}
	if (p->class >> 16 == 0x06) {
		log_error("%s: it is a bridge, which cannot be assigned: name a function behind it", bdf);
		return EXIT_HOST;
	}
	return 0;
}

static int refused(const struct host_pci *p, const char *what, int err)
{
	log_error("%s: %s: %s%s", p->bdf, what, strerror(-err), err == -EACCES || err == -EPERM ? ": run it as root" : "");
	return EXIT_HOST;
}

/* Takes the present driver off, writes the override ("\n": none) and lets the kernel look for a driver again. 0 or an exit status. */
static int rebind(const char *sys, const struct host_pci *p, const char *override)
{
	int err = host_pci_write(sys, p->bdf, "driver_override", override);

	if (err)
		return refused(p, "its driver cannot be chosen", err);
	if (p->driver[0])
		err = host_pci_write(sys, p->bdf, "driver/unbind", p->bdf);
	if (err)
		return refused(p, "its driver does not let go", err);
	err = host_pci_write(sys, NULL, "drivers_probe", p->bdf);
	/* EINVAL: no driver took it. */
	return err && err != -EINVAL ? refused(p, "no driver can be asked", err) : 0;
}

/* After a bind that failed: no function is left without the driver that it had. */
static void give_back(const char *sys, const char *bdf)
{
	struct host_pci p;

	if (host_pci_write(sys, bdf, "driver_override", "\n") || host_pci_read(sys, bdf, &p) || p.driver[0])
		return;
	if (host_pci_write(sys, NULL, "drivers_probe", bdf))
		log_warn("%s: it is without a driver now", bdf);
}

int bind_main(const char *sys, const char *text)
{
	struct host_pci p;
	int status = look(sys, text, &p);

	if (status)
		return status;
	if (strcmp(p.driver, "vfio-pci") == 0)
		return EXIT_OK;
	if (!host_pci_has_driver(sys, "vfio-pci")) {
		log_error("%s: the host's kernel has no driver vfio-pci: load it (modprobe vfio-pci)", p.bdf);
		return EXIT_HOST;
	}
	status = rebind(sys, &p, "vfio-pci");
	if (!status && (host_pci_read(sys, p.bdf, &p) || strcmp(p.driver, "vfio-pci") != 0)) {
		log_error("%s: vfio-pci did not take it: the host's kernel log says why", p.bdf);
		status = EXIT_HOST;
	}
	if (status)
		give_back(sys, p.bdf);
	return status;
}

int unbind_main(const char *sys, const char *text)
{
	struct host_pci p;
	int status = look(sys, text, &p);

	if (status)
		return status;
	/* A function of another driver was never ours, or is back already. */
	if (strcmp(p.driver, "vfio-pci") != 0 && p.driver[0])
		return EXIT_OK;
	return rebind(sys, &p, "\n");
}
