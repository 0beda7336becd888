/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "devices/devices.h"
#include "devices/ioapic.h"
#include "devices/pci_conf1.h"
#include "devices/power_x86.h"
#include "devices/uart.h"
#include "vmm/event.h"
#include "vmm/host_pci.h"
#include "vmm/log.h"
#include "vmm/memmap_x86_64.h"
#include "vmm/offline.h"
#include "vmm/vfio_show.h"
#include "vmm/units.h"

/* A run takes it from the CPU. Only the end of the 64-bit window depends on it. */
#define PHYS_BITS 46
#define DISK_BYTES MiB(1)

struct machine {
	struct offline o;
	struct vm_config cfg; /* the user's, with disks that need no file */
	bool have_mmio, have_pio;
	struct event *ev;
	struct mem *mem;
	struct dma dma;
	struct units units;
	struct irq *irq;
	struct ioapic *ioapic;
	struct pci_conf1 *conf1;
	struct power_x86 *power;
	struct uart *uart;
	struct dev_ctx ctx;
};

/* COM1 first: it may be absent. */
static const struct offline_line lines[] = {
	{ X86_GSI_COM1, "COM1, edge" },
	{ X86_GSI_GED, "power button (event device), edge" },
	{ X86_GSI_INTX, "PCI INTA of device 0, level" },
	{ X86_GSI_INTX + 1, "PCI INTB of device 0, level" },
	{ X86_GSI_INTX + 2, "PCI INTC of device 0, level" },
	{ X86_GSI_INTX + 3, "PCI INTD of device 0, level" },
};

static int no_msi(void *ctx, u64 addr, u32 data)
{
	return 0;
}

static int no_routes(void *ctx, const struct irq_route *routes, unsigned n)
{
	return 0;
}

static int no_irqfd(void *ctx, int fd, u32 gsi, int resample_fd, bool add)
{
	return 0;
}

static const struct irq_backend no_irq = { no_msi, no_routes, no_irqfd };

static void no_request(void *arg, enum machine_event e, u32 code)
{
}

static void no_output(void *arg, const u8 *buf, unsigned len)
{
}

/* An empty image in memory stands in for each disk, so that the real device can be made where its file is absent or in use. */
static int stand_in_disks(struct machine *m)
{
	for (unsigned i = 0; i < m->cfg.n_disks; i++)
		m->cfg.disks[i].file.fd = -1;
	for (unsigned i = 0; i < m->cfg.n_disks; i++) {
		int fd = memfd_create("disk", MFD_CLOEXEC);

		if (fd < 0)
			return -errno;
		m->cfg.disks[i].file.fd = fd;
		if (ftruncate(fd, (off_t)DISK_BYTES) < 0)
			return -errno;
	}
	return 0;
}

static int create_buses(struct machine *m)
{
	/* RAM that no guest touches: enough for devices to have something to point at. */
	static const struct mem_range ram = { 0, MiB(2) };
	struct offline *o = &m->o;
	int err = event_create(&m->ev);

	if (!err)
		err = mem_create(&ram, 1, false, &m->mem);
	if (!err)
		err = bus_init(&o->mmio, "mmio");
	if (err)
		return err;
	m->have_mmio = true;
	err = bus_init(&o->pio, "port");
	if (err)
		return err;
	m->have_pio = true;
	dma_identity_init(&m->dma, m->mem);
	err = irq_create(&no_irq, NULL, &m->irq);
	return err ? err : pci_host_create(&o->mmio, m->irq, &o->plat.pci, &o->pci);
}

static int create_platform(struct machine *m)
{
	const struct units_env env = {
		.mmio = &m->o.mmio,
		.irq = m->irq,
		.ev = m->ev,
		.mem = m->mem,
		.identity = &m->dma,
		.base = m->o.plat.viommu,
		.pci = m->o.pci,
		.haw = PHYS_BITS,
	};
	const struct uart_host host = { .out = no_output };
	int err;

	units_init(&m->units, &m->cfg, &env);

	m->ctx = (struct dev_ctx){
		.mmio = &m->o.mmio,
		.pio = &m->o.pio,
		.pci = m->o.pci,
		.irq = m->irq,
		.ev = m->ev,
		.mem = m->mem,
		.offline = true,
		.cpus = m->cfg.cpus,
		.machine = no_request,
		.dma_for = units_dma_for,
		.dma_arg = &m->units,
	};
	err = ioapic_create(&m->o.mmio, m->irq, X86_IOAPIC_BASE, X86_IOAPIC_ID, &m->ioapic);
	if (!err)
		err = pci_conf1_create(&m->o.pio, &m->o.mmio, m->o.plat.pci.ecam, &m->conf1);
	if (!err)
		err = power_x86_create(&m->ctx, &m->power);
	if (!err && plat_x86_64_has_uart(&m->cfg))
		err = uart_create(&m->o.pio, X86_COM1_PORT, m->irq, X86_GSI_COM1, &host, &m->uart);
	return err;
}

static int describe(struct machine *m)
{
	struct offline *o = &m->o;
	int err = units_table(&m->units, &o->plat.iommu);

	if (err)
		return err;
	o->n_map = plat_x86_64_regions(&o->plat, o->map, ARRAY_SIZE(o->map));
	o->lines = lines + !m->uart;
	o->n_lines = ARRAY_SIZE(lines) - !m->uart;
	return plat_x86_64_acpi(&o->plat, &m->cfg, o->pci, &o->tables);
}

int offline_x86_64_create(const struct vm_config *c, struct offline **out)
{
	struct machine *m = calloc(1, sizeof(*m));
	int status = EXIT_HOST, err = m ? 0 : -ENOMEM;

	if (err)
		goto fail;
	m->o.priv = m;
	m->cfg = *c;
	if (plat_x86_64_init(c, PHYS_BITS, &m->o.plat) < 0) {
		log_error("--memory: %llu MiB and the PCI windows do not fit %u address bits: give less",
			  (unsigned long long)(c->mem_bytes >> 20), PHYS_BITS);
		m->cfg.n_disks = 0;
		status = EXIT_USAGE;
		goto free_machine;
	}
	err = stand_in_disks(m);
	if (!err)
		err = create_buses(m);
	if (!err)
		err = create_platform(m);
	if (err)
		goto free_machine;
	status = devices_create(&m->ctx, &m->cfg);
	if (status)
		goto free_machine;
	status = EXIT_HOST;
	err = vfio_show(&m->cfg, HOST_SYS, &m->ctx, &m->units);
	if (err == -ENOSPC) {
		log_error("--vfio: no place on bus 0 for another root port, or no unit for another IOMMU: leave a device out");
		status = EXIT_USAGE;
		err = 0;
		goto free_machine;
	}
	/* Says itself what does not fit. */
	if (!err && pci_assign(m->o.pci))
		goto free_machine;
	if (!err)
		err = describe(m);
	if (err)
		goto free_machine;
	*out = &m->o;
	return 0;

free_machine:
	offline_x86_64_destroy(&m->o);
fail:
	if (err)
		log_error("show: %s", strerror(-err));
	return status;
}

void offline_x86_64_destroy(struct offline *o)
{
	struct machine *m = o ? o->priv : NULL;

	if (!m)
		return;
	acpi_free(&o->tables);
	if (o->pci)
		pci_host_destroy(o->pci);
	units_fini(&m->units);
	uart_destroy(m->uart);
	power_x86_destroy(m->power);
	pci_conf1_destroy(m->conf1);
	if (m->ioapic)
		ioapic_destroy(m->ioapic);
	if (m->irq)
		irq_destroy(m->irq);
	if (m->have_pio)
		bus_fini(&o->pio);
	if (m->have_mmio)
		bus_fini(&o->mmio);
	if (m->mem)
		mem_destroy(m->mem);
	if (m->ev)
		event_destroy(m->ev);
	for (unsigned i = 0; i < m->cfg.n_disks; i++) {
		if (m->cfg.disks[i].file.fd >= 0)
			close(m->cfg.disks[i].file.fd);
	}
	free(m);
}
