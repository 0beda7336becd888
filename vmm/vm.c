/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a VM. vm_create() is the start-up list, in this order:
 *   1. signals, so that an early SIGTERM ends in order
 *   2. the files named by the user (exit 65 before anything is asked of the host)
 *   3. KVM, assigned devices up to what their IOMMU can do, the platform's address map, RAM
 *   4. buses, interrupts, PCI host, the architecture's own devices, then the configured ones
 *   5. PCI resources, firmware tables and kernel, vCPUs
 * vm_destroy() is its mirror and takes a VM in any state of completion.
 */
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "devices/ioapic.h"
#include "vmm/host_error.h"
#include "vmm/host_pci.h"
#include "vmm/log.h"
#include "vmm/mem_fail.h"
#include "vmm/vfio.h"
#include "vmm/vm.h"
#include "vmm/vm_priv.h"

static void end(struct vm *vm, int status, const char *reason)
{
	if (vm->ended)
		return;
	vm->ended = true;
	vm->status = status;
	vm->reason = reason;
	event_stop(vm->ev);
}

/* --- what the guest asks of the machine --- */

/* As at the first start: nothing of the last guest is left, neither in RAM nor in what it asked for. */
static void restart(struct vm *vm)
{
	struct boot_entry entry;
	int err;

	log_info("the guest reboots");
	vcpus_pause(vm->vcpus);
	vm->requests &= BIT(MACHINE_FAILED);
	vm->guest_code = 0;
	pci_host_reset(vm->pci);
	units_reset(&vm->units);
	machine_reset(vm);
	err = mem_clear(vm->mem) ? EXIT_INTERNAL : machine_load(vm, &entry);
	if (!err && vcpus_reset(vm->vcpus, &entry) < 0) {
		log_error("the vCPUs cannot be reset");
		err = EXIT_INTERNAL;
	}
	/* A device that could not be silenced must not meet the next guest. */
	if (vm->requests & BIT(MACHINE_FAILED))
		err = EXIT_INTERNAL;
	if (err)
		end(vm, err, "reset failed");
	else
		vcpus_resume(vm->vcpus);
}

static void reboot(struct vm *vm)
{
	if (vm->stopping)
		end(vm, EXIT_STOPPED, "stopped");
	else if (vm->cfg->reboot_reset)
		restart(vm);
	else
		end(vm, vm->guest_code ? (int)vm->guest_code : EXIT_REBOOT, "reboot");
}

/* The gravest counts where several came at once. */
static void on_request(void *arg)
{
	struct vm *vm = arg;
	u32 asked = atomic_exchange(&vm->requests, 0);

	if (asked & BIT(MACHINE_FAILED))
		end(vm, EXIT_INTERNAL, "internal error");
	else if (asked & BIT(MACHINE_PANIC))
		end(vm, EXIT_PANIC, "panic");
	else if (asked & BIT(MACHINE_POWEROFF))
		end(vm, (int)vm->guest_code, "poweroff");
	else if (asked & BIT(MACHINE_RESET))
		reboot(vm);
}

static void machine_request(void *arg, enum machine_event e, u32 code)
{
	struct vm *vm = arg;

	if (e == MACHINE_EXIT_CODE) {
		vm->guest_code = code;
		return;
	}
	if (e == MACHINE_RESET && code)
		e = MACHINE_PANIC;
	vm->requests |= BIT(e);
	event_bell_ring(&vm->request);
}

static void vcpu_stopped(void *arg, unsigned index, enum vcpu_stop why)
{
	if (why == VCPU_STOP_INTERNAL)
		machine_request(arg, MACHINE_FAILED, 0);
	else if (why == VCPU_STOP_SHUTDOWN)
		machine_request(arg, MACHINE_PANIC, 0);
	else
		machine_request(arg, MACHINE_RESET, 0);
}

/* --- what the user asks --- */

/* The console's key, or the grace period is over. */
static void stop(void *arg)
{
	end(arg, EXIT_STOPPED, "stopped");
}

static void on_signal(void *arg, u32 events)
{
	struct vm *vm = arg;
	struct signalfd_siginfo si;

	while (read(vm->signals.fd, &si, sizeof(si)) == sizeof(si)) {
		if (vm->stopping) {
			stop(vm);
			return;
		}
		vm->stopping = true;
		machine_power_button(vm);
		event_timer_set(&vm->grace, vm->cfg->grace_s ? vm->cfg->grace_s * 1000000000ULL : 1, 0);
	}
}

/* --- start-up list --- */

static int host_error(const char *what, int err)
{
	log_error("%s: %s", what, host_error_text(err));
	return EXIT_HOST;
}

/*
 * What asks for the end. A hangup that is ignored already stays so: nohup means that, and the kernel keeps a blocked signal for the descriptor even
 * if it is ignored. Not so SIGINT, which a shell's background jobs have ignored: whoever sends them one means it.
 */
static void end_signals(sigset_t *set)
{
	struct sigaction sa;

	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	if (sigaction(SIGHUP, NULL, &sa) == 0 && sa.sa_handler != SIG_IGN)
		sigaddset(set, SIGHUP);
}

/* One that came when the VM had ended has nothing to stop, and must not take the place of the exit status. */
static void drop_signals(void)
{
	const struct timespec now = { 0 };
	sigset_t set;

	end_signals(&set);
	while (sigtimedwait(&set, NULL, &now) > 0 || errno == EINTR)
		;
}

static int create_events(struct vm *vm)
{
	sigset_t set;
	int fd, err = event_create(&vm->ev);

	if (err)
		return host_error("event loop", err);
	end_signals(&set);
	/* Blocked here, so in every thread made later: they arrive by the descriptor only. */
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return host_error("signalfd", -errno);
	err = event_add(vm->ev, &vm->signals, fd, EPOLLIN, on_signal, vm);
	if (err) {
		close(fd);
		return host_error("signalfd", err);
	}
	err = event_timer_init(vm->ev, &vm->grace, stop, vm);
	if (!err)
		err = event_bell_init(vm->ev, &vm->request, on_request, vm);
	return err ? host_error("event loop", err) : 0;
}

static int open_files(struct vm *vm)
{
	const struct vm_config *c = vm->cfg;
	int status = boot_open("--kernel", c->kernel.path, c->kernel.fd, &vm->kernel);

	if (!status && (c->initrd.path || c->initrd.fd >= 0))
		status = boot_open("--initrd", c->initrd.path, c->initrd.fd, &vm->initrd);
	if (!status && config_cmdline(c, &vm->cmdline))
		status = host_error("--cmdline", -ENOMEM);
	return status;
}

/* Something of the host failed under the guest. */
static void host_failed(void *arg)
{
	machine_request(arg, MACHINE_FAILED, 0);
}

static int create_memory(struct vm *vm)
{
	const struct vm_config *c = vm->cfg;
	int err = plat_x86_64_init(c, vm->kvm.phys_bits, &vm->plat);

	if (err) {
		log_error("--memory: this host addresses %u bits, not enough for %llu MiB and the PCI windows: give less", vm->kvm.phys_bits,
			  (unsigned long long)(c->mem_bytes >> 20));
		return EXIT_HOST;
	}
	err = mem_create(vm->plat.ram, vm->plat.n_ram, c->hugepages, &vm->mem);
	if (err == -ENOMEM && c->hugepages)
		log_error("--memory: the host has not enough free 2 MiB huge pages: raise vm.nr_hugepages, or leave hugepages=on out");
	else if (err == -ENOMEM)
		log_error("--memory: the host refuses %llu MiB of address space (RLIMIT_AS, vm.overcommit_memory): give less",
			  (unsigned long long)(c->mem_bytes >> 20));
	else if (err)
		return host_error("--memory", err);
	if (err)
		return EXIT_HOST;
	mem_fail_watch(vm->mem, host_failed, vm);
	err = kvm_add_ram(&vm->kvm, vm->mem);
	if (!err)
		return 0;
	log_error("--memory: KVM refuses %llu MiB of guest RAM (%s): give less", (unsigned long long)(c->mem_bytes >> 20), strerror(-err));
	return EXIT_HOST;
}

static void init_units(struct vm *vm)
{
	const struct units_env env = {
		.mmio = &vm->mmio,
		.irq = vm->irq,
		.ev = vm->ev,
		.mem = vm->mem,
		.identity = &vm->identity,
		.base = vm->plat.viommu,
		.pci = vm->pci,
		.auto_kind = vfio_unit_kind(vm->vfio),
		.haw = (u8)vm->kvm.phys_bits,
		.failed = host_failed,
		.failed_arg = vm,
	};

	dma_identity_init(&vm->identity, vm->mem);
	units_init(&vm->units, vm->cfg, &env);
}

static int create_platform(struct vm *vm)
{
	int err = bus_init(&vm->mmio, "mmio");

	if (!err) {
		vm->have_mmio = true;
		vm->mmio.hooks = &kvm_mmio_hooks;
		vm->mmio.hook_ctx = &vm->kvm;
		err = irq_create(&kvm_irq_backend, &vm->kvm, &vm->irq);
	}
	if (!err)
		err = pci_host_create(&vm->mmio, vm->irq, &vm->plat.pci, &vm->pci);
	if (err)
		return host_error("platform", err);
	init_units(vm);
	vm->ctx = (struct dev_ctx){
		.mmio = &vm->mmio,
		.pci = vm->pci,
		.irq = vm->irq,
		.ev = vm->ev,
		.mem = vm->mem,
		.cpus = vm->cfg->cpus,
		.machine = machine_request,
		.machine_arg = vm,
		.dma_for = units_dma_for,
		.dma_arg = &vm->units,
	};
	return 0;
}

/* Assigned functions; the end of a wired interrupt is passed on to them. */
static int create_vfio(struct vm *vm)
{
	int status = vfio_plug(vm->vfio, &vm->ctx), err = 0;

	for (unsigned i = 0; vm->vfio && !status && !err && i < ARRAY_SIZE(vm->plat.pci.intx_line); i++)
		err = ioapic_on_eoi(vm->ioapic, vm->plat.pci.intx_line[i], vfio_eoi, vm->vfio);
	return err ? host_error("INTx", err) : status;
}

static int create_vcpus(struct vm *vm)
{
	struct vcpu_env env = {
		.kvm = &vm->kvm,
		.mmio = &vm->mmio,
		.pio = vm->have_pio ? &vm->pio : NULL,
		.ioapic = vm->ioapic,
		.stopped = vcpu_stopped,
		.arg = vm,
		.apic_ids = vm->plat.apic_ids,
	};
	struct boot_entry entry;
	int status = machine_load(vm, &entry);

	if (status)
		return status;
	report_phase(vm->report, REPORT_LOADED);
	status = vcpus_create(&env, vm->cfg->cpus, &vm->vcpus);
	if (status)
		return status;
	status = vcpus_reset(vm->vcpus, &entry);
	return status ? host_error("vCPU registers", status) : 0;
}

static int vm_create(struct vm *vm)
{
	const struct vm_config *c = vm->cfg;
	const struct console_user user = { .quit = stop, .arg = vm };
	int status = create_events(vm);

	if (!status)
		status = open_files(vm);
	if (!status)
		status = kvm_create(&vm->kvm, c->kvm_fd < 0 ? "/dev/kvm" : "--kvm", c->kvm_fd);
	if (status)
		return status;
	vm->have_kvm = true;
	report_phase(vm->report, REPORT_KVM);
	status = vfio_create(c, &vm->kvm, HOST_SYS, &vm->vfio);
	if (!status)
		status = create_memory(vm);
	if (!status)
		status = vfio_map(vm->vfio, vm->mem);
	if (status)
		return status;
	report_phase(vm->report, REPORT_RAM);
	status = create_platform(vm);
	if (!status)
		status = console_create(vm->ev, &c->console, &user, &vm->console);
	vm->ctx.console = vm->console;
	if (!status)
		status = machine_create(vm);
	if (!status)
		status = devices_create(&vm->ctx, c);
	if (!status)
		status = create_vfio(vm);
	if (!status && pci_assign(vm->pci))
		status = EXIT_HOST;
	if (!status && (units_table(&vm->units, &vm->plat.iommu) || units_report(&vm->units, vm->report) || vfio_report(vm->vfio, vm->report)))
		status = host_error("--viommu", -ENOMEM);
	return status ? status : create_vcpus(vm);
}

static void vm_destroy(struct vm *vm)
{
	vcpus_destroy(vm->vcpus);
	if (vm->console)
		console_destroy(vm->console);
	pci_host_destroy(vm->pci);
	units_fini(&vm->units);
	vfio_destroy(vm->vfio);
	machine_destroy(vm);
	irq_destroy(vm->irq);
	if (vm->have_mmio)
		bus_fini(&vm->mmio);
	if (vm->have_kvm)
		kvm_destroy(&vm->kvm);
	mem_fail_unwatch();
	mem_destroy(vm->mem);
	free(vm->cmdline);
	boot_close(&vm->initrd);
	boot_close(&vm->kernel);
	event_bell_fini(&vm->request);
	event_timer_fini(&vm->grace);
	if (vm->signals.ev) {
		event_del(&vm->signals);
		close(vm->signals.fd);
	}
	event_destroy(vm->ev);
}

/* --ready-fd: one line, so that a script need not poll; and its end, but where more is to come: the console, messages, the report. */
static void say_ready(const struct vm *vm)
{
	int n, fd = vm->cfg->ready_fd;
	char line[96], spec[16];

	if (fd < 0)
		return;
	n = snprintf(line, sizeof(line), "{\"event\":\"running\",\"pid\":%ld}\n", (long)getpid());
	if (write(fd, line, (size_t)n) != n)
		log_warn("--ready-fd %d: %s", fd, strerror(errno));
	snprintf(spec, sizeof(spec), "fd:%d", fd);
	if (fd > STDERR_FILENO && (!vm->cfg->report || strcmp(vm->cfg->report, spec) != 0))
		close(fd);
}

static int vm_serve(struct vm *vm)
{
	int err;

	report_phase(vm->report, REPORT_FIRST_RUN);
	err = vcpus_start(vm->vcpus);
	if (err)
		return host_error("vCPU threads", err);
	say_ready(vm);
	err = event_run(vm->ev);
	if (err)
		return host_error("event loop", err);
	vcpus_pause(vm->vcpus);
	return vm->status;
}

static int report_error(const char *path, int err)
{
	log_error("--report %s: %s", path, strerror(-err));
	return EXIT_NOINPUT;
}

/* Where it can be written is asked now, and not when the guest has done its work. */
static int create_report(struct vm *vm)
{
	const char *path = vm->cfg->report;
	int err = path ? report_check(path) : 0;

	if (err)
		return report_error(path, err);
	return path && report_create(vm->cfg->start_ns, &vm->report) ? host_error("--report", -ENOMEM) : 0;
}

/* A report that cannot be written does not hide how the VM ended. Returns the exit status. */
static int write_report(struct vm *vm, int status)
{
	struct report_end e = { .reason = vm->reason, .exit_code = status };
	int err;

	e.exits = vm->vcpus ? vcpus_exits(vm->vcpus) : 0;
	e.mem = vm->mem;
	err = report_write(vm->report, vm->cfg->report, &e);
	if (err)
		err = report_error(vm->cfg->report, err);
	return status ? status : err;
}

int vm_run(const struct vm_config *c)
{
	struct vm vm = { .cfg = c, .reason = "start-up failed", .kernel.fd = -1, .initrd.fd = -1 };
	sigset_t old;
	int status;

	/* A reader that is gone and a limit on files are errors of the write; a guest that writes must not end nidus. */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	pthread_sigmask(SIG_SETMASK, NULL, &old);
	status = create_report(&vm);
	if (status)
		return status;
	status = vm_create(&vm);
	if (!status)
		status = vm_serve(&vm);
	report_phase(vm.report, REPORT_END);
	status = write_report(&vm, status);
	vm_destroy(&vm);
	report_destroy(vm.report);
	drop_signals();
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return status;
}
