/* A Linux process as a board: port 0 is standard input and output, port 1 a file descriptor that the environment names.
 * Main runs on a thread, whose stack has a known size, is painted, and has pages below it that nobody may touch. A
 * reset starts the program anew in the same process, with the noinit section handed over in an anonymous file. */
#define _GNU_SOURCE
#include "../hal.h"
#include "../ring.h"

#include <elf.h>
#include <link.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#ifndef SHOAL_STACK_BYTES
#define SHOAL_STACK_BYTES 65536
#endif

#if defined(__SANITIZE_ADDRESS__)
#define STACK_BYTES (16 * SHOAL_STACK_BYTES) /* its red zones widen every frame */
#else
#define STACK_BYTES SHOAL_STACK_BYTES
#endif

enum {
    GUARD_BYTES = 65536,
    HANDLER_STACK_BYTES = 65536,
    THREAD_BYTES = 32768, /* what the C library keeps at the top of a thread's stack */
    BUFFER_BYTES = 4096,
    WRITE_MILLISECONDS = 5000,
};

#define KEPT_FD "SHOAL_HOST_NOINIT"
#define PORT_FD "SHOAL_HOST_PORT1"

typedef struct {
    int in;
    int out;
    uint32_t sent;
    uint32_t got;
    uint32_t taken;
    uint8_t to_send[BUFFER_BYTES];
    uint8_t received[BUFFER_BYTES];
} serial_port;

extern uint8_t __start_noinit[], __stop_noinit[];
int main(void);

static serial_port ports[SHOAL_UARTS];
static uint8_t *stack_base;
static uintptr_t stack_top;

static void send_buffered(serial_port *port) {
    uint32_t done = port->out < 0 ? port->sent : 0; /* no wire */
    while (done < port->sent) {
        struct pollfd ready = {.fd = port->out, .events = POLLOUT};
        ssize_t wrote = -1;
        if (poll(&ready, 1, WRITE_MILLISECONDS) == 1) {
            wrote = write(port->out, port->to_send + done, port->sent - done);
        }
        if (wrote <= 0 && port == ports) {
            _exit(EXIT_SUCCESS); /* nobody listens any more */
        }
        if (wrote <= 0) {
            port->out = -1;
            break;
        }
        done += (uint32_t)wrote;
    }
    port->sent = 0;
}

static bool receive(serial_port *port) {
    struct pollfd ready = {.fd = port->in, .events = POLLIN};
    if (port->in < 0 || poll(&ready, 1, 0) != 1) {
        return false;
    }
    ssize_t got = read(port->in, port->received, BUFFER_BYTES);
    if (got <= 0) {
        if (port == ports) {
            _exit(EXIT_SUCCESS); /* the host hung up */
        }
        port->in = -1;
        return false;
    }
    port->got = (uint32_t)got;
    port->taken = 0;
    return true;
}

int hal_uart_get(unsigned number) {
    serial_port *port = &ports[number];
    if (port->taken == port->got && !receive(port)) {
        return -1;
    }
    return port->received[port->taken++];
}

bool hal_uart_put(unsigned number, uint8_t byte) {
    serial_port *port = &ports[number];
    if (port->sent == BUFFER_BYTES) {
        send_buffered(port);
    }
    port->to_send[port->sent++] = byte;
    return true;
}

void hal_uart_flush(unsigned number) {
    send_buffered(&ports[number]);
}

static uint64_t microseconds_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

uint32_t hal_idle(uint32_t microseconds) {
    struct pollfd ready[SHOAL_UARTS];
    uint64_t start = microseconds_now();
    for (unsigned i = 0; i < SHOAL_UARTS; i++) {
        send_buffered(&ports[i]);
        ready[i] = (struct pollfd){.fd = ports[i].in, .events = POLLIN};
        if (ports[i].taken < ports[i].got) {
            return microseconds == HAL_FOREVER ? HAL_FOREVER : microseconds - 1;
        }
    }
    int timeout = microseconds == HAL_FOREVER ? -1 : (int)(microseconds / 1000u) + 1;
    (void)poll(ready, SHOAL_UARTS, timeout);
    if (microseconds == HAL_FOREVER) {
        return HAL_FOREVER;
    }
    uint64_t slept = microseconds_now() - start + 1;
    return slept < microseconds ? microseconds - (uint32_t)slept : 0;
}

uint32_t hal_clock_hz(void) {
    return SHOAL_CLOCK_HZ;
}

bool hal_has_cycles(void) {
    return false;
}

uint64_t hal_cycles(void) {
    return 0;
}

/* What was put waits for no sleep. */
void hal_tick(void) {
    for (unsigned i = 0; i < SHOAL_UARTS; i++) {
        if (ports[i].sent > 0) {
            send_buffered(&ports[i]);
        }
    }
}

void hal_trigger(bool up) {
    (void)up;
}

typedef struct {
    const uint8_t *bytes;
    uint32_t size;
} build_id;

/* Looks through the notes of the first object, the program itself. */
static int find_build_id(struct dl_phdr_info *object, size_t size, void *context) {
    build_id *found = context;
    (void)size;
    for (unsigned i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
        uintptr_t note = object->dlpi_addr + segment->p_vaddr;
        uintptr_t end = note + segment->p_memsz;
        while (segment->p_type == PT_NOTE && note + sizeof(ElfW(Nhdr)) < end) {
            const ElfW(Nhdr) *header = (const ElfW(Nhdr) *)note;
            uintptr_t name = note + sizeof *header;
            uintptr_t description = name + ((header->n_namesz + 3u) & ~3u);
            if (header->n_type == NT_GNU_BUILD_ID && header->n_namesz == 4 &&
                memcmp((const void *)name, "GNU", 4) == 0) {
                *found = (build_id){(const uint8_t *)description, header->n_descsz};
            }
            note = description + ((header->n_descsz + 3u) & ~3u);
        }
    }
    return 1;
}

const uint8_t *hal_build_id(uint32_t *size) {
    build_id found = {0, 0};
    (void)dl_iterate_phdr(find_build_id, &found);
    *size = found.size;
    return found.bytes;
}

hal_memory_map hal_memory(void) {
    return (hal_memory_map){.stack_bottom = (uintptr_t)stack_base + GUARD_BYTES, .stack_top = stack_top};
}

static size_t noinit_bytes(void) {
    return (size_t)((uintptr_t)__stop_noinit - (uintptr_t)__start_noinit);
}

_Noreturn void hal_reset(void) {
    char text[16];
    for (unsigned i = 0; i < SHOAL_UARTS; i++) {
        send_buffered(&ports[i]);
    }
    int kept = memfd_create("noinit", 0);
    if (kept >= 0 && write(kept, __start_noinit, noinit_bytes()) > 0) {
        (void)snprintf(text, sizeof text, "%d", kept);
        (void)setenv(KEPT_FD, text, 1);
    }
    (void)execl("/proc/self/exe", "firmware", (char *)0);
    _exit(EXIT_FAILURE);
}

static void restore_noinit(void) {
    const char *text = getenv(KEPT_FD);
    if (text != 0) {
        int kept = atoi(text);
        (void)!pread(kept, __start_noinit, noinit_bytes(), 0);
        (void)close(kept);
        (void)unsetenv(KEPT_FD);
    }
}

#if !defined(__SANITIZE_ADDRESS__) /* which tells more of a fault than we do */
static void on_fault(int number, siginfo_t *info, void *context) {
    const ucontext_t *state = context;
    uintptr_t address = (uintptr_t)info->si_addr;
    hal_fault fault = {.kind = HAL_FAULT_HARD, .status = (uint32_t)number};
#if defined(__x86_64__)
    fault.pc = (uint32_t)state->uc_mcontext.gregs[REG_RIP];
    fault.stack = (uint32_t)state->uc_mcontext.gregs[REG_RSP];
#elif defined(__aarch64__)
    fault.pc = (uint32_t)state->uc_mcontext.pc;
    fault.stack = (uint32_t)state->uc_mcontext.sp;
#endif
    if (number == SIGSEGV || number == SIGBUS) {
        bool below = address >= (uintptr_t)stack_base && address < (uintptr_t)stack_base + GUARD_BYTES;
        fault.kind = below ? HAL_FAULT_STACK_OVERFLOW : HAL_FAULT_BUS;
        fault.address = (uint32_t)address;
    }
    fault_raised(&fault);
}

static void catch_faults(void) {
    static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
    static uint8_t handler_stack[HANDLER_STACK_BYTES];
    sigset_t all;
    stack_t own = {.ss_sp = handler_stack, .ss_size = sizeof handler_stack};
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    (void)sigaltstack(&own, 0);
    for (unsigned i = 0; i < sizeof signals / sizeof signals[0]; i++) {
        (void)sigaction(signals[i], &action, 0);
    }
    (void)sigemptyset(&all); /* a fault's handler started us anew: its signal is still blocked */
    (void)pthread_sigmask(SIG_SETMASK, &all, 0);
}
#else
static void catch_faults(void) {}
#endif

void hal_provoke(uint32_t kind) {
    static volatile uint8_t *volatile const nowhere = (volatile uint8_t *)1;
    if (kind == HAL_FAULT_BUS) {
        *nowhere = 0;
    } else if (kind == HAL_FAULT_HARD) {
        __builtin_trap();
    } else if (kind == HAL_FAULT_STACK_OVERFLOW) {
        *(volatile uint8_t *)(stack_base + GUARD_BYTES - 4) = 0;
    }
}

void hal_init(void) {
    catch_faults();
    const char *second = getenv(PORT_FD);
    int wire = second != 0 ? atoi(second) : -1;
    for (unsigned i = 0; i < SHOAL_UARTS; i++) {
        ports[i].in = i == 0 ? STDIN_FILENO : wire;
        ports[i].out = i == 0 ? STDOUT_FILENO : wire;
    }
}

static void *run_main(void *unused) {
    (void)unused;
    stack_top = (uintptr_t)__builtin_frame_address(0);
    exit(main());
}

/* Before the C library calls main on a stack of unknown size, main has run on ours. */
__attribute__((constructor)) static void start(void) {
    pthread_attr_t attributes;
    pthread_t thread;
    size_t size = GUARD_BYTES + STACK_BYTES + THREAD_BYTES;
    restore_noinit();
    stack_base = mmap(0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (stack_base == MAP_FAILED || mprotect(stack_base, GUARD_BYTES, PROT_NONE) != 0 ||
        pthread_attr_init(&attributes) != 0 ||
        pthread_attr_setstack(&attributes, stack_base + GUARD_BYTES, size - GUARD_BYTES) != 0 ||
        pthread_create(&thread, &attributes, run_main, 0) != 0) {
        _exit(EXIT_FAILURE);
    }
    (void)pthread_join(thread, 0);
    _exit(EXIT_FAILURE);
}
