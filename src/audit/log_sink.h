// SPDX-License-Identifier: Apache-2.0
// Where the event log's lines go: a file, a pipe, a socket or a terminal. Writes whole lines as far as the system lets it.
#pragma once

#include "audit/line_queue.h"
#include "base/result.h"

#include <string>

namespace sluice::audit {

class LogSink {
public:
    // "-": standard output, which is not closed; else a path, appended to, made with 0640; a last line without its end gets it before
    // the first write. Errors: io_failed, self.
    static Result<LogSink> open(const std::string& destination);
    LogSink(LogSink&& other) noexcept;
    LogSink& operator=(LogSink&& other) noexcept;
    ~LogSink();

    // Writes what is left of the chunk. 0: all; EAGAIN: the reader is slow, call again; else errno. After an error a regular file ends at
    // a line's end, and the chunk goes on there; what is no file may hold the beginning of a line, with which the next call goes on.
    int write(Chunk& chunk);
    // Ends a line that `chunk` left half written here, if that is possible, and sets the chunk back to that line's beginning: before
    // another sink takes over.
    void leave(Chunk& chunk);

private:
    enum class Kind : std::uint8_t { file, pipe, socket, other };
    LogSink(int descriptor, bool owned);
    long write_some(const char* bytes, std::size_t size) const;  // as write(2); never blocks for long
    void cut_partial_line(Chunk& chunk) const;
    bool end_last_line() const;

    int descriptor_;
    bool owned_;
    bool appends_;
    bool nonblocking_;
    bool at_line_start_ = false;  // known to be
    Kind kind_;
};

}  // namespace sluice::audit
