package tracking

func (s *Server) experimentRoutes() {}
func (s *Server) runRoutes()        {}
