/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The small devices at once: power ports, PCI configuration ports, pvpanic, test device. Four bytes each access: what (bits 0-1: port, configuration
 * space, a register of pvpanic's, of the test device's; bit 2 a read; bits 3-4 the size; bit 5 a reset of all), offset, value twice.
 */
#include "tests/unit/virtio_drv.h"

#include "devices/pci_conf1.h"
#include "devices/power_x86.h"
#include "devices/testdev.h"
#include "vmm/log.h"
#include "vmm/memmap_x86_64.h"

static struct drv d;
static struct bus pio;
static struct power_x86 *power;
static struct pci_conf1 *conf1;

static void machine(void *arg, enum machine_event e, u32 code)
{
	if (e > MACHINE_EXIT_CODE || (e == MACHINE_EXIT_CODE && (code < 1 || code > 63)))
		abort();
}

static void line(void *arg, u32 n, bool level)
{
	if (n != X86_GSI_GED)
		abort();
}

static void set_up(void)
{
	log_set_level(LOG_ERROR);
	drv_open(&d);
	drv_must(!bus_init(&pio, "pio"), "bus");
	d.ctx.pio = &pio;
	d.ctx.machine = machine;
	irq_set_lines(d.irq, &(struct irq_lines){ .set = line });
	drv_must(!power_x86_create(&d.ctx, &power) && !pci_conf1_create(&pio, &d.mmio, DRV_ECAM, &conf1), "ports");
	drv_must(!pvpanic_create(&d.ctx) && !testdev_create(&d.ctx, PCI_DEV_VIRTIO, false), "functions");
	drv_must(!pci_assign(d.pci), "assignment");
}

static void access_at(struct bus *bus, u64 at, unsigned size, bool reads, u64 val)
{
	if (reads)
		bus_read(bus, at, size, &val);
	else
		bus_write(bus, at, size, val);
}

static u64 bar_of(unsigned dev)
{
	u64 fn = DRV_ECAM + ((u64)PCI_BDF(0, dev, 0) << 12);

	drv_write(&d, fn + 4, 2, 6);
	return drv_read(&d, fn + 0x10, 4) & ~15ULL;
}

static void reset_all(void)
{
	power_x86_reset(power);
	pci_conf1_reset(conf1);
	pci_host_reset(d.pci);
}

static void step(const uint8_t *b)
{
	static const unsigned dev[] = { PCI_DEV_PVPANIC, PCI_DEV_VIRTIO };
	unsigned size = 1U << (b[0] >> 3 & 3);
	u64 val = b[3] * 0x01010101ULL ^ (u64)b[2] << 8;
	bool reads = b[0] & 4;

	switch (b[0] & 3) {
	case 0:
		access_at(&pio, b[1] & 1 ? X86_PCI_CONF1_PORT + b[1] / 2 % 12U : X86_SLEEP_CTRL_PORT - 2 + b[1] / 2 % 8U, MIN(size, 4), reads, val);
		break;
	case 1:
		access_at(&d.mmio, DRV_ECAM + ((u64)PCI_BDF(0, dev[b[2] & 1], 0) << 12) + b[1], size, reads, val);
		break;
	case 2:
		access_at(&d.mmio, bar_of(PCI_DEV_PVPANIC) + b[1], size, reads, val);
		break;
	case 3:
		access_at(&d.mmio, bar_of(PCI_DEV_VIRTIO) + b[1] % 64U * (b[1] & 64 ? 256 : 1), size, reads, val);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!d.mem)
		set_up();
	for (size_t i = 0; i + 4 <= size; i += 4) {
		step(data + i);
		if (data[i] & 32)
			reset_all();
	}
	reset_all();
	if (d.live_spans)
		abort();
	return 0;
}
