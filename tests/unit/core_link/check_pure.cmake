# Fails when LIBRARY refers to something impure, or PROGRAM loads an adapter's library.
set(impure
  "^(PQ|grpc_|gpr_|sqlite3_|ldns_|sd_|SSL_|EVP_|curl_|ZSTD_)"
  "4grpc|6google8protobuf|5boost|4YAML|10prometheus"
  # No clock, randomness, threads, files, sockets, processes or environment.
  "^(clock_gettime|gettimeofday|time|localtime|gmtime|rand|random|getrandom|getentropy|arc4random)"
  "6chrono3_V2|13random_device"
  "^(pthread_create|fork|execv|posix_spawn|system|popen|kill|usleep|nanosleep|sleep)"
  "^(open|openat|read|write|unlink|rename|stat|fopen|fread|fsync|ioctl)(64)?(@|$)"
  "^(socket|connect|send|recv|poll|select|epoll_|getaddrinfo|getenv|secure_getenv)"
  "basic_(i|o)?fstream|10filesystem")

execute_process(COMMAND ${NM} --undefined-only --format=just-symbols ${LIBRARY}
  OUTPUT_VARIABLE symbols RESULT_VARIABLE failed)
if(failed)
  message(FATAL_ERROR "${NM} cannot read ${LIBRARY}")
endif()
string(REPLACE "\n" ";" symbols "${symbols}")
list(LENGTH symbols count)
if(count LESS 20)
  message(FATAL_ERROR "${LIBRARY} has ${count} undefined symbols: nothing was checked")
endif()
foreach(symbol IN LISTS symbols)
  foreach(pattern IN LISTS impure)
    if(symbol MATCHES "${pattern}")
      message(SEND_ERROR "${LIBRARY} needs ${symbol}: the decision code is not pure")
    endif()
  endforeach()
endforeach()

execute_process(COMMAND ${READELF} --dynamic ${PROGRAM}
  OUTPUT_VARIABLE dynamic RESULT_VARIABLE failed)
if(failed)
  message(FATAL_ERROR "${READELF} cannot read ${PROGRAM}")
endif()
string(REGEX MATCHALL "\\[lib[^]]+\\.so[^]]*\\]" loaded "${dynamic}")
if(NOT loaded)
  message(FATAL_ERROR "${PROGRAM} loads no library: nothing was checked")
endif()
foreach(library IN LISTS loaded)
  if(NOT library MATCHES "^\\[lib(absl_[a-z0-9_]+|stdc\\+\\+|m|gcc_s|c|asan|ubsan|tsan)\\.so")
    message(SEND_ERROR "${PROGRAM} loads ${library}: a core must not need it")
  endif()
endforeach()
