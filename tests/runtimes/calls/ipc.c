#include "check.h"
#include <mqueue.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/uio.h>

static void shared_memory(void) {
    int fd = shm_open("/shared", O_CREAT | O_RDWR, 0600);
    CHECK(fd >= 0 && ftruncate(fd, 4096) == 0);
    volatile int *number = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(number != MAP_FAILED);
    if (number == MAP_FAILED) return;
    CHECK(IN_CHILD((*number = 42) - 42));
    CHECK(*number == 42);
    CHECK(shm_unlink("/shared") == 0 && close(fd) == 0);
}

static void message_queue(void) {
    struct mq_attr attributes = {.mq_maxmsg = 2, .mq_msgsize = 16};
    mqd_t queue = mq_open("/queue", O_CREAT | O_RDWR, 0600, &attributes);
    char message[16];
    unsigned priority = 0;
    struct timespec now = {0};
    CHECK(queue != (mqd_t)-1);
    CHECK(IN_CHILD(mq_send(queue, "sent", 5, 7)));
    CHECK(mq_getattr(queue, &attributes) == 0 && attributes.mq_curmsgs == 1);
    CHECK(mq_timedreceive(queue, message, sizeof message, &priority, &now) == 5 && priority == 7);
    struct sigevent none = {.sigev_notify = SIGEV_NONE};
    CHECK(mq_notify(queue, &none) == 0);
    CHECK(mq_close(queue) == 0 && mq_unlink("/queue") == 0);
}

static void system_v(void) {
    int id = shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600);
    CHECK(id >= 0);
    volatile int *number = shmat(id, NULL, 0);
    CHECK(number != (void *)-1);
    if (number == (void *)-1) return;
    CHECK(IN_CHILD((*number = 42) - 42));
    CHECK(*number == 42);
    CHECK(shmdt((void *)number) == 0 && shmctl(id, IPC_RMID, NULL) == 0);

    struct sembuf up = {0, 1, SEM_UNDO}, down = {0, -1, 0};
    id = semget(IPC_PRIVATE, 1, IPC_CREAT | 0600);
    CHECK(id >= 0 && semctl(id, 0, SETVAL, 0) == 0);
    CHECK(semop(id, &up, 1) == 0 && semctl(id, 0, GETVAL) == 1);
    CHECK(semtimedop(id, &down, 1, &(struct timespec){60, 0}) == 0);
    CHECK(semctl(id, 0, IPC_RMID) == 0);

    struct { long type; char text[8]; } message = {5, "message"};
    id = msgget(IPC_PRIVATE, IPC_CREAT | 0600);
    CHECK(id >= 0 && msgsnd(id, &message, 8, 0) == 0);
    CHECK(msgrcv(id, &message, 8, 5, 0) == 8);
    CHECK(msgctl(id, IPC_RMID, NULL) == 0);
}

static void pipes(void) {
    int from[2], to[2];
    char text[8] = "";
    CHECK(pipe(from) == 0 && pipe2(to, O_CLOEXEC) == 0);
    CHECK(fcntl(from[1], F_SETPIPE_SZ, 1 << 16) >= 1 << 16);
    CHECK(vmsplice(from[1], &(struct iovec){"spliced", 7}, 1, 0) == 7);
    CHECK(tee(from[0], to[1], 7, 0) == 7);
    CHECK(read(to[0], text, 7) == 7 && !strcmp(text, "spliced"));
    CHECK(splice(from[0], NULL, to[1], NULL, 7, 0) == 7);
    CHECK(dup2(to[0], 50) == 50 && dup3(to[0], 51, O_CLOEXEC) == 51 && fcntl(51, F_DUPFD_CLOEXEC, 60) >= 60);
    CHECK(syscall(SYS_close_range, 40, 100, 0) == 0);
    CHECK(fcntl(to[0], F_GETFL) >= 0 && fcntl(to[0], F_SETFL, O_NONBLOCK) == 0);
    close(from[0]), close(from[1]), close(to[0]), close(to[1]);
    CHECK(mkfifo("/tmp/fifo", 0600) == 0);
    pid_t pid = fork();
    if (!pid) _exit(write(open("/tmp/fifo", O_WRONLY), "fifo", 4) != 4);
    CHECK(read(open("/tmp/fifo", O_RDONLY), text, 4) == 4);
    CHECK(exit_status(pid) == 0);
}

void ipc(void) {
    shared_memory();
    message_queue();
    system_v();
    pipes();
}
