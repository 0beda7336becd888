/*
 * kexecfile KERNEL INITRD CMDLINE: loads a kernel by kexec_file_load and starts it. INITRD may
 * be - for none. Needs a kernel with CONFIG_KEXEC_FILE; comes back only on failure.
 * kexecfile -p KERNEL INITRD CMDLINE: loads it for a crash instead (crashkernel= has reserved
 * memory), and comes back.
 */
#include <fcntl.h>
#include <linux/kexec.h>
#include <linux/reboot.h>
#include <stdio.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int crash = argc == 5 && !strcmp(argv[1], "-p");

	argv += crash;
	if (argc != 4 + crash) {
		fprintf(stderr, "usage: kexecfile [-p] KERNEL INITRD CMDLINE\n");
		return 64;
	}
	int none = !strcmp(argv[2], "-");
	int kernel = open(argv[1], O_RDONLY), initrd = none ? -1 : open(argv[2], O_RDONLY);

	if (kernel < 0 || (!none && initrd < 0)) {
		perror("kexecfile: open");
		return 65;
	}
	if (syscall(SYS_kexec_file_load, kernel, initrd, strlen(argv[3]) + 1, argv[3],
		    (none ? KEXEC_FILE_NO_INITRAMFS : 0) | (crash ? KEXEC_FILE_ON_CRASH : 0))) {
		perror("kexecfile: kexec_file_load");
		return 1;
	}
	if (crash)
		return 0;
	sync();
	reboot(LINUX_REBOOT_CMD_KEXEC);
	perror("kexecfile: reboot");
	return 1;
}
