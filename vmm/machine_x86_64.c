/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an x86_64 machine has beside CPUs, memory and PCI: ports, IOAPIC, COM1, power registers; and what it finds in RAM at its start.
 */
#include <errno.h>

#include "devices/ioapic.h"
#include "devices/pci_conf1.h"
#include "devices/power_x86.h"
#include "devices/uart.h"
#include "vmm/log.h"
#include "vmm/memmap_x86_64.h"
#include "vmm/vm_priv.h"

static unsigned uart_input(void *dev, const u8 *buf, unsigned len)
{
	return uart_in(dev, buf, len);
}

static int create_uart(struct vm *vm)
{
	const struct uart_host host = { .out = console_out, .in_ready = console_in_ready, .arg = vm->console };
	int err;

	if (!plat_x86_64_has_uart(vm->cfg))
		return 0;
	err = uart_create(&vm->pio, X86_COM1_PORT, vm->irq, X86_GSI_COM1, &host, &vm->uart);
	return err ? err : console_attach(vm->console, uart_input, vm->uart);
}

int machine_create(struct vm *vm)
{
	int err = bus_init(&vm->pio, "port");

	if (!err) {
		vm->have_pio = true;
		vm->pio.hooks = &kvm_pio_hooks;
		vm->pio.hook_ctx = &vm->kvm;
		vm->ctx.pio = &vm->pio;
		err = ioapic_create(&vm->mmio, vm->irq, X86_IOAPIC_BASE, X86_IOAPIC_ID, &vm->ioapic);
	}
	if (!err)
		err = pci_conf1_create(&vm->pio, &vm->mmio, vm->plat.pci.ecam, &vm->conf1);
	if (!err)
		err = power_x86_create(&vm->ctx, &vm->power);
	if (!err)
		err = create_uart(vm);
	if (err) {
		log_error("platform devices: %s", strerror(-err));
		return EXIT_HOST;
	}
	return 0;
}

void machine_destroy(struct vm *vm)
{
	uart_destroy(vm->uart);
	power_x86_destroy(vm->power);
	pci_conf1_destroy(vm->conf1);
	ioapic_destroy(vm->ioapic);
	if (vm->have_pio)
		bus_fini(&vm->pio);
}

static int write_tables(struct vm *vm, gpa_t *rsdp)
{
	struct acpi_tables t;
	int err = plat_x86_64_acpi(&vm->plat, vm->cfg, vm->pci, &t);

	if (err)
		return err;
	for (unsigned i = 0; !err && i < t.n; i++)
		err = mem_write(vm->mem, X86_ACPI_BASE + t.offset[i], t.t[i].data, t.t[i].len);
	*rsdp = X86_ACPI_BASE + t.offset[0];
	acpi_free(&t);
	return err;
}

int machine_load(struct vm *vm, struct boot_entry *entry)
{
	struct boot_region map[PLAT_MAX_REGIONS];
	struct boot_params p = {
		.mem = vm->mem,
		.kernel = &vm->kernel,
		.initrd = vm->initrd.fd >= 0 ? &vm->initrd : NULL,
		.cmdline = vm->cmdline,
		.map = map,
		.n_map = plat_x86_64_regions(&vm->plat, map, ARRAY_SIZE(map)),
	};
	int err = write_tables(vm, &p.rsdp);

	if (err) {
		log_error("firmware tables: %s", strerror(-err));
		return EXIT_INTERNAL;
	}
	return boot_load_x86_64(&p, entry);
}

void machine_reset(struct vm *vm)
{
	if (vm->uart)
		uart_reset(vm->uart);
	power_x86_reset(vm->power);
	pci_conf1_reset(vm->conf1);
	ioapic_reset(vm->ioapic);
}

void machine_power_button(struct vm *vm)
{
	power_x86_button(vm->power);
}
