/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "vmm/config.h"
#include "vmm/console.h"
#include "vmm/log.h"
#include "vmm/mem_fail.h"

static struct {
	const struct mem *mem; /* NULL: no watch */
	void (*failed)(void *arg);
	void *arg;
	struct sigaction old;
	atomic_bool told;
} watch;

static _Thread_local volatile sig_atomic_t in_guest;

/* log_error() formats on the stack and writes: nothing of it minds where the signal came. */
static void tell(gpa_t gpa, short lsb)
{
	u64 size = BIT(MIN((unsigned)MAX(lsb, 0), 40U));

	if (!atomic_exchange(&watch.told, true))
		log_error("the host's memory failed under guest address 0x%llx, %llu bytes: the guest cannot go on; see the host's kernel log, and have the memory replaced",
			  (unsigned long long)ALIGN_DOWN(gpa, size), (unsigned long long)size);
}

static void on_bus_error(int sig, siginfo_t *si, void *context)
{
	bool mine = si->si_code == BUS_MCEERR_AR || si->si_code == BUS_MCEERR_AO;
	int err = errno;
	gpa_t gpa;

	if (!mine || mem_gpa(watch.mem, si->si_addr, &gpa)) {
		console_restore();
		sigaction(SIGBUS, &watch.old, NULL);
		raise(SIGBUS);
		return;
	}
	tell(gpa, si->si_addr_lsb);
	if (si->si_code == BUS_MCEERR_AR && !in_guest) {
		console_restore();
		_exit(EXIT_INTERNAL);
	}
	watch.failed(watch.arg);
	errno = err;
}

void mem_fail_watch(const struct mem *m, void (*failed)(void *arg), void *arg)
{
	struct sigaction sa = { .sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO };

	watch.mem = m;
	watch.failed = failed;
	watch.arg = arg;
	watch.told = false;
	sigfillset(&sa.sa_mask);
	sigaction(SIGBUS, &sa, &watch.old);
}

void mem_fail_unwatch(void)
{
	if (watch.mem)
		sigaction(SIGBUS, &watch.old, NULL);
	watch.mem = NULL;
}

void mem_fail_in_guest(bool on)
{
	in_guest = on;
}
